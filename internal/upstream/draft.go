package upstream

import (
	"feedd/internal/client"
	"feedd/internal/clip"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// draft makes an item of an event, or returns nil if it is none.
func (f *follower) draft(e client.Event) *stream.Draft {
	switch {
	case e.Gap != nil:
		f.stats.gaps.Add(1)
		f.logger.Warn("the upstream lost items before they could be taken over", "reason", clip.Text(e.Gap.Reason), "after", clip.Text(e.Gap.After), "through", clip.Text(e.Gap.Through))
		return nil
	case e.TooLarge:
		f.skip("it has more data than max_item_bytes allows", e.ID)
		return nil
	case len(e.Data) == 0:
		return nil
	}
	d, err := wire.ParseData(e.Data)
	if err != nil {
		f.skip(err.Error(), e.ID) // cannot happen: the data is not empty, and UTF-8
		return nil
	}
	if e.Name != "" {
		if err := selector.CheckEvent(e.Name); err != nil {
			if f.stats.renamed.Add(1) == 1 {
				f.logger.Warn("items are stored without the name of their event, which is not allowed here; this is said once", "err", err)
			}
			return &d
		}
		d.Event = e.Name
	}
	return &d
}

// skip counts an event that cannot be an item, and logs it at most once a minute.
func (f *follower) skip(why, id string) {
	n := f.stats.skipped.Add(1)
	if f.skipped.allowed() {
		f.logger.Warn("an event of the upstream was passed over", "why", why, "id", clip.Text(id), "so_far", n)
	}
}
