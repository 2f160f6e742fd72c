// A plain broadcaster on Node's http module, without packages: for each feed a
// Set of the responses that are open. What a slow subscriber has no room for
// waits in memory, as Node does it by itself.
//
// GET /sub/{feed} subscribes, POST /pub/{feed} publishes.
import { createServer } from 'node:http';

const feeds = new Map();

function feedOf(url) {
  const name = url.slice('/sub/'.length);
  let feed = feeds.get(name);
  if (!feed) {
    feed = { subscribers: new Set(), id: 0 };
    feeds.set(name, feed);
  }
  return feed;
}

function subscribe(feed, request, response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  response.flushHeaders();
  feed.subscribers.add(response);
  response.on('close', () => feed.subscribers.delete(response));
}

function publish(feed, request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const event = Buffer.from(`data: ${Buffer.concat(parts)}\nid: ${++feed.id}\n\n`);
    for (const subscriber of feed.subscribers) subscriber.write(event);
    response.writeHead(202, { 'Content-Length': 0 }).end();
  });
}

const server = createServer((request, response) => {
  const handle = request.method === 'POST' ? publish : subscribe;
  handle(feedOf(request.url), request, response);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
