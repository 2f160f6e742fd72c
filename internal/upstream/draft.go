package upstream

import (
	"feedd/internal/client"
	"feedd/internal/clip"
	"feedd/internal/selector"
	"feedd/internal/stream"
	"feedd/internal/wire"
)

// draft makes an item of an event, or returns nil where it is none.
func (f *follower) draft(e client.Event) *stream.Draft {
	switch {
	case e.Gap != nil:
		f.stats.gaps.Add(1)
		f.log.Warn("the upstream lost items before they could be taken over", "reason", clip.Text(e.Gap.Reason), "after", clip.Text(e.Gap.After), "through", clip.Text(e.Gap.Through))
		return nil
	case e.TooLarge:
		f.pass("it has more data than max_item_bytes allows", e.ID)
		return nil
	case len(e.Data) == 0:
		return nil
	}
	d, err := wire.ParseData(e.Data)
	if err != nil {
		f.pass(err.Error(), e.ID) // not seen: it is not empty, and UTF-8
		return nil
	}
	if e.Name != "" {
		if err := selector.CheckEvent(e.Name); err != nil {
			if f.stats.renamed.Add(1) == 1 {
				f.log.Warn("items are stored without the name of their event, which is not allowed here; this is said once", "err", err)
			}
			return &d
		}
		d.Event = e.Name
	}
	return &d
}

// pass counts an event that cannot be an item, and now and then says so.
func (f *follower) pass(why, id string) {
	n := f.stats.skipped.Add(1)
	if f.seldom.now() {
		f.log.Warn("an event of the upstream was passed over", "why", why, "id", clip.Text(id), "so_far", n)
	}
}
