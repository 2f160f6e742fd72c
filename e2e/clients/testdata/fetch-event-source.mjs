// Prints the items of a feed, read with @microsoft/fetch-event-source.

// It is made for pages and asks for these two; node has neither.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import('@microsoft/fetch-event-source');

let last = ''; // the id of the last item that came whole

// It loses the line breaks that data begin with, so it gets envelopes, which are
// one line.
await fetchEventSource(process.argv[2] + '&envelope=true', {
	openWhenHidden: true,
	// It takes an id when the line with it is over, and not when the event is: a
	// connection cut before the blank line would lose that item. So the id to go
	// on from is our own.
	fetch: (url, init) =>
		fetch(url, last ? { ...init, headers: { ...init.headers, 'last-event-id': last } } : init),
	onmessage(m) {
		last = m.id || last;
		if (!m.data || m.event === 'closing') return;
		if (m.event === 'gap') {
			console.log(JSON.stringify(m));
			return;
		}
		const { id, event, data } = JSON.parse(m.data);
		console.log(JSON.stringify({ id, event, data: typeof data === 'string' ? data : JSON.stringify(data) }));
	},
	// A stream that ends well is the end for it, unless this throws; what onerror
	// gets it tries again.
	onclose() {
		throw new Error('the stream ended');
	},
	onerror() {},
});
