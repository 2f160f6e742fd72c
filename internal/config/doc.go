// Package config holds the settings of a feedd server: one struct, its
// defaults, and the way from a YAML file, the environment and the command line
// into it.
//
// # Rules
//
// Flags beat the environment, that beats the file, that beats the defaults.
// A setting has one path, such as limits.max_item_bytes. The file says it as
// nested keys, the environment as FEEDD_LIMITS_MAX_ITEM_BYTES, a flag as
// --limits.max_item_bytes. An empty variable counts as one that is not set. A group
// that was renamed is still taken under its old name, but not under both in one
// layer.
//
// Loading is strict: an unknown key or FEEDD_ variable, a key said twice, a
// value of the wrong kind or out of bounds, and any YAML that a settings file
// does not need (anchors, aliases, tags, further documents) is an error. All
// errors are returned at once, joined, one line each, and each line begins
// with where it comes from:
//
//	feedd.yaml:7: limits.max_itemz: unknown setting
//	FEEDD_HEARTBEAT: "fast" is no duration; write it as 30s, 720h or 30d
//	--listen: "8001" is no host:port
//
// The package has no side effects but the reading of the one file that Load is
// given.
package config
