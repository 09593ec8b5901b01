"""From the archives of a publisher to a data set that is known to read: fetched, unpacked without trust, verified."""
