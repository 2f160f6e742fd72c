// Prints the items of a feed, read as envelopes over WebSocket, with npm's ws.
import WebSocket from 'ws';

let last = ''; // the position: the last id, or the cursor before there is one

function connect() {
	const url = process.argv[2].replace(/^http/, 'ws') + (last && `&last_event_id=${last}`);
	const socket = new WebSocket(url);
	socket.on('message', (frame) => {
		const m = JSON.parse(frame);
		last = m.id ?? m.cursor ?? last;
		if (m.gap) console.log(JSON.stringify({ event: 'gap', data: JSON.stringify(m.gap) }));
		if (!m.id) return;
		const data = typeof m.data === 'string' ? m.data : JSON.stringify(m.data);
		console.log(JSON.stringify({ id: m.id, event: m.event, data }));
	});
	socket.on('error', () => {}); // and then close comes
	socket.on('close', () => setTimeout(connect, 1000));
}
connect();
