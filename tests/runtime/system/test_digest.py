"""SHA-256 without OpenSSL."""

from edgeae.runtime.system.digest import sha256


def test_it_is_sha_256() -> None:
    """The example of FIPS 180-4, whole and in parts."""
    digest = sha256(b"ab")
    digest.update(b"c")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest.hexdigest() == sha256(b"abc").hexdigest() == expected
