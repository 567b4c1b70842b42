"""Where lines go: each output is a `Sink` with a thread and a bounded queue of its own
(`outbox`)."""
