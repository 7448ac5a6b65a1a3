"""`make bench`: prints the table of what was measured."""

from tests.bench.paired import ROWS


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        terminalreporter.write_line("")
        for line in ("| figure | what | peer | KCloud | ratio |", "|---|---|---|---|---|", *ROWS):
            terminalreporter.write_line(line)
