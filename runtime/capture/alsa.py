"""The few functions of libasound that edgeae calls, declared for ctypes."""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_long, c_size_t, c_uint, c_ulong, c_void_p
from typing import Any

from ..errors import DeviceError

# snd_pcm_stream_t
CAPTURE = 1
# Mode of snd_pcm_open: opening a busy device fails at once instead of waiting for it.
NONBLOCK = 1
# snd_pcm_access_t
RW_INTERLEAVED = 3
# snd_pcm_state_t
PREPARED = 2

_UINT = POINTER(c_uint)
_ULONG = POINTER(c_ulong)
_INT = POINTER(c_int)

# name: (type of the result, types of the arguments...).
# Handles and opaque structures are plain pointers. ctypes has no type for "a C type or None".
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "snd_asoundlib_version": (c_char_p,),
    "snd_strerror": (c_char_p, c_int),
    "snd_card_next": (c_int, _INT),
    "snd_ctl_open": (c_int, POINTER(c_void_p), c_char_p, c_int),
    "snd_ctl_close": (c_int, c_void_p),
    "snd_ctl_card_info_sizeof": (c_size_t,),
    "snd_ctl_card_info": (c_int, c_void_p, c_void_p),
    "snd_ctl_card_info_get_id": (c_char_p, c_void_p),
    "snd_ctl_card_info_get_name": (c_char_p, c_void_p),
    "snd_ctl_pcm_next_device": (c_int, c_void_p, _INT),
    "snd_ctl_pcm_info": (c_int, c_void_p, c_void_p),
    "snd_pcm_info_sizeof": (c_size_t,),
    "snd_pcm_info_set_device": (None, c_void_p, c_uint),
    "snd_pcm_info_set_stream": (None, c_void_p, c_int),
    "snd_pcm_info_get_name": (c_char_p, c_void_p),
    "snd_pcm_open": (c_int, POINTER(c_void_p), c_char_p, c_int, c_int),
    "snd_pcm_close": (c_int, c_void_p),
    "snd_pcm_start": (c_int, c_void_p),
    "snd_pcm_state": (c_int, c_void_p),
    "snd_pcm_wait": (c_int, c_void_p, c_int),
    "snd_pcm_avail_update": (c_long, c_void_p),
    "snd_pcm_readi": (c_long, c_void_p, c_void_p, c_ulong),
    "snd_pcm_recover": (c_int, c_void_p, c_int, c_int),
    "snd_pcm_hw_params_sizeof": (c_size_t,),
    "snd_pcm_hw_params_any": (c_int, c_void_p, c_void_p),
    "snd_pcm_hw_params_set_rate_resample": (c_int, c_void_p, c_void_p, c_uint),
    "snd_pcm_hw_params_set_access": (c_int, c_void_p, c_void_p, c_int),
    "snd_pcm_hw_params_set_channels_min": (c_int, c_void_p, c_void_p, _UINT),
    "snd_pcm_hw_params_set_channels_first": (c_int, c_void_p, c_void_p, _UINT),
    "snd_pcm_hw_params_set_channels_near": (c_int, c_void_p, c_void_p, _UINT),
    "snd_pcm_hw_params_get_channels_min": (c_int, c_void_p, _UINT),
    "snd_pcm_hw_params_get_channels_max": (c_int, c_void_p, _UINT),
    "snd_pcm_hw_params_test_rate": (c_int, c_void_p, c_void_p, c_uint, c_int),
    "snd_pcm_hw_params_set_rate": (c_int, c_void_p, c_void_p, c_uint, c_int),
    "snd_pcm_hw_params_set_rate_min": (c_int, c_void_p, c_void_p, _UINT, _INT),
    "snd_pcm_hw_params_set_rate_first": (c_int, c_void_p, c_void_p, _UINT, _INT),
    "snd_pcm_hw_params_set_rate_last": (c_int, c_void_p, c_void_p, _UINT, _INT),
    "snd_pcm_hw_params_test_format": (c_int, c_void_p, c_void_p, c_int),
    "snd_pcm_hw_params_set_format": (c_int, c_void_p, c_void_p, c_int),
    "snd_pcm_hw_params_set_period_size_near": (c_int, c_void_p, c_void_p, _ULONG, _INT),
    "snd_pcm_hw_params_set_buffer_size_near": (c_int, c_void_p, c_void_p, _ULONG),
    "snd_pcm_hw_params": (c_int, c_void_p, c_void_p),
    "snd_pcm_sw_params_sizeof": (c_size_t,),
    "snd_pcm_sw_params_current": (c_int, c_void_p, c_void_p),
    "snd_pcm_sw_params_set_avail_min": (c_int, c_void_p, c_void_p, c_ulong),
    "snd_pcm_sw_params": (c_int, c_void_p, c_void_p),
}


# How the loader ends its message about a library that is not there.
_MISSING_LIBRARY = ("No such file or directory", "cannot open shared object file")


class AlsaError(OSError):
    """A call that libasound refused: `errno` (positive) and `strerror` say why."""


# Discards what libasound would print on stderr.
# The library keeps the pointer, so the callback has to live as long as the module.
_DISCARD_MESSAGE = ctypes.CFUNCTYPE(None, c_char_p, c_int, c_char_p, c_int, c_char_p)(
    lambda *_: None
)


class Alsa:
    """libasound, loaded when the first object is made.

    Raises DeviceError when the library is not installed.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libasound.so.2")
        except OSError as error:
            if not str(error).endswith(_MISSING_LIBRARY):
                raise DeviceError(
                    f"libasound.so.2 cannot be loaded ({error}); remove that cause"
                ) from error
            raise DeviceError(
                "libasound.so.2 is not installed, and live audio needs it: "
                "sudo apt-get install libasound2 "
                "(its name from Debian 13 and Ubuntu 24.04 on: libasound2t64)"
            ) from error
        for name, (result_type, *argument_types) in _PROTOTYPES.items():
            function = getattr(self._library, name)
            function.restype = result_type
            function.argtypes = argument_types
        self._library.snd_lib_error_set_handler(_DISCARD_MESSAGE)

    def call(self, name: str, *arguments: object) -> int:
        """Call a function of libasound that returns a number, or nothing (then this returns 0).

        Raises AlsaError if the number is negative.
        """
        result: int = getattr(self._library, name)(*arguments) or 0
        if result < 0:
            raise AlsaError(-result, self.text("snd_strerror", result))
        return result

    def text(self, name: str, *arguments: object) -> str:
        """Call a function of libasound that returns a string."""
        encoded: bytes = getattr(self._library, name)(*arguments)
        return encoded.decode(errors="replace")

    def structure(self, name: str) -> "ctypes.Array[ctypes.c_char]":
        """Return a zeroed opaque structure, such as `snd_pcm_hw_params`; Python frees it."""
        return ctypes.create_string_buffer(self.call(f"{name}_sizeof"))

    def handle(self, name: str, *arguments: object) -> c_void_p:
        """Call a function that opens a handle into its first argument, and return the handle."""
        handle = c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle
