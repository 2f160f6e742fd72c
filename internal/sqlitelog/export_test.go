package sqlitelog

// LookFor is how long a look at the store's files counts.
const LookFor = lookFor
