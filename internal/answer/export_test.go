package answer

// MaxLingering is maxLingering.
const MaxLingering = maxLingering
