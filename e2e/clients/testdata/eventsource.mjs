// Prints the items of a feed, read with npm's eventsource.
import { EventSource } from 'eventsource';

const names = ['message', 'goal', 'card:red', 'a.b-c_d', 'gap'];

// This library does not see the id that opens a stream, because that block has
// no data: before its first item it knows no position. So the address says
// where to begin; the header that it sends once it has an id comes first.
const feed = new EventSource(process.argv[2] + '&since=all');
for (const name of names) {
	feed.addEventListener(name, (e) => {
		console.log(JSON.stringify({ id: e.lastEventId, event: name, data: e.data }));
	});
}
feed.onerror = (e) => {
	if (feed.readyState === EventSource.CLOSED) throw new Error(`closed for good: ${e.message}`);
};
