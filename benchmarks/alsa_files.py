"""ALSA capture devices made of files, for computers without a sound card.

A configuration in ALSA_CONFIG_PATH replaces `hw` by the `file` plugin over the `null` one. Opening
the literal name `hw:1` (any card number, `hw:CARD=Device,DEV=0` and `plughw:1,0` too) then reads
raw samples from a file or a FIFO. libasound reads the configuration again when ALSA_CONFIG_PATH
names another file, so one process can use many devices, one after the other; a subprocess inherits
the variable. Three things differ from a real microphone:

- a file does not pace: an hour of audio is read in a second;
- the end of the samples is no error: the device repeats its last buffer, or zeros, without end;
- any rate, format and channel count is accepted and the bytes are read as that, unless
  `samplerate` is given.

libasound takes a short read of a FIFO for a whole one: write whole periods.
"""

from pathlib import Path

ALSA_CONF = Path("/usr/share/alsa/alsa.conf")

CONFIGURATION = """
<{base}>
pcm.!hw {{
    @args [ CARD DEV SUBDEV ]
    @args.CARD {{ type string default "0" }}
    @args.DEV {{ type integer default 0 }}
    @args.SUBDEV {{ type integer default -1 }}
    {device}
}}
pcm.!plughw {{
    @args [ CARD DEV SUBDEV ]
    @args.CARD {{ type string default "0" }}
    @args.DEV {{ type integer default 0 }}
    @args.SUBDEV {{ type integer default -1 }}
    type plug
    slave.pcm {{ {device} }}
}}
"""
FILE = "type file slave.pcm {{ type null }} file /dev/null format raw infile {path}"
FIXED_RATE = "type plug slave {{ rate {samplerate} pcm {{ {device} }} }}"


def configuration(path: Path, samplerate: int | None = None, *, by_card: bool = False) -> str:
    """The text of the file that ALSA_CONFIG_PATH names.

    samplerate: the only rate at which the devices run, Hz; None: any.
    by_card: each card reads a file of its own, whose name ends with the number of the card.
    """
    text = f'"{path}"'
    if by_card:
        text = f'{{ @func concat strings [ "{path}" $CARD ] }}'
    device = FILE.format(path=text)
    if samplerate:
        device = FIXED_RATE.format(samplerate=samplerate, device=device)
    return CONFIGURATION.format(base=ALSA_CONF, device=device)
