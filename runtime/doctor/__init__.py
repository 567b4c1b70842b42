"""`edgeae doctor`: one page on this computer, the artifact and the microphones."""
