// Prints the items of a feed, read with npm's event-source-polyfill, which says
// in the address where it goes on.
import polyfill from 'event-source-polyfill';

const { EventSourcePolyfill } = polyfill;
const feed = new EventSourcePolyfill(process.argv[2]);
feed.onmessage = (e) => {
	console.log(JSON.stringify({ id: e.lastEventId, event: '', data: e.data }));
};
feed.addEventListener('gap', (e) => {
	console.log(JSON.stringify({ id: e.lastEventId, event: 'gap', data: e.data }));
});
feed.onerror = (e) => {
	if (feed.readyState === EventSourcePolyfill.CLOSED) throw new Error(`closed for good: ${e.error?.message}`);
};
