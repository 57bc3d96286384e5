// The clock that intervals are measured by runs ten times as fast: a cool-down of ten seconds is over in one. Tokens live
// by another, `new Date()`, which is left alone.
const { now } = Date
const since = now()
Date.now = () => since + 10 * (now() - since)
