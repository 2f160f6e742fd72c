package stream

// Gap tells a reader that items it selected are gone (P4). It comes before the
// items that follow the loss.
type Gap struct {
	After   string   // the position that the reader stood at or presented
	Through ID       // the last one lost; with reason unknown: where reading goes on
	Oldest  ID       // the first retained item above After, 0 for none
	Reason  Reason   // why they are gone
	Feeds   []string // which feeds lost something, sorted, at most MaxGapFeeds
	// ID is where the reader stands once it was told. A reader that is cut off
	// before it has this position is told again.
	ID ID
}
