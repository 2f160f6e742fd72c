package memlog

// What the store counts towards StoreOptions.Bytes: data and event names, and
// these for what is kept around them, in bytes on a 64-bit machine. They are
// estimates, rather too high than too low.
const (
	itemCost   = 208 // an entry, its pointers in two slices, and their slack
	feedCost   = 440 // a feed, its name, and its places in the maps
	keyCost    = 160 // a key's record, and its places in map and queue
	sourceCost = 96  // a place in the map, beside its name and id
)
