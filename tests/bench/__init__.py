"""What `make bench` measures: ratios against rclone in one run on the same servers, never bare times.

Each part is a module with a ``measure``; ``__main__`` prints one table and writes ``.farshore/bench.json``. Processor time is
that of the client's process alone, user and system, as the kernel counted it at its end; the servers' is nobody's business.
"""
