# The clock that intervals are measured by runs ten times as fast: a cool-down of ten seconds is over in one. Tokens live by
# another, which is left alone.
import time

monotonic, since = time.monotonic, time.monotonic()
time.monotonic = lambda: since + 10 * (monotonic() - since)
