"""The lines of `edgeae run` and where they go.

    lines.py          the types of the lines
    publisher.py      numbers and dates each line, and puts it into every outbox
    outbox.py         the queue and the thread of one sink
    sink.py           the interface of an output: `Sink` for lines, `SourceTap` for the sound
    declaration.py    the types with which an output declares its options and how it opens
    registry.py       the list of all outputs
    lifecycle.py      opens, checks and closes the outputs of one process
    latest.py         the state of each source, for outputs that publish a state
    http_server.py    the server of the page and of the metrics
    server_tls.py     the certificate of a server
    page_link.py      the address of the page, for links in other outputs
    database.py       what SQLite's errors mean, for outputs that keep something
    stdout.py         standard output that is a file or a pipe
    terminal.py       standard output that is a terminal

Each folder is one output: ``declaration.py`` declares it, the other files do its work.
"""
