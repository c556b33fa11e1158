// One EventSource for every topic, kept open for as long as the page is.

const SHORTEST_PAUSE = 1000;
const LONGEST_PAUSE = 4000;

/**
 * Follow the hub. With types that are topics, one stream is enough: each topic has its own listener.
 *
 * @param {string} url what mercure_hub_url() made
 * @param {string[]} topics the types to listen for
 * @param {{update: (topic: string, update: object) => void, open: () => void, lost: () => void}} on
 */
export function follow(url, topics, on) {
  const source = new EventSource(url);
  source.onopen = on.open;
  source.onerror = () => {
    on.lost();
    // The browser comes back by itself after a broken connection, but an answer that is no stream, such as
    // a proxy's 503 while the server restarts, ends an EventSource for good. The pause is random so that
    // not all windows come back at the same moment.
    if (source.readyState === EventSource.CLOSED) {
      const pause = SHORTEST_PAUSE + Math.random() * (LONGEST_PAUSE - SHORTEST_PAUSE);
      setTimeout(() => follow(url, topics, on), pause);
    }
  };
  for (const topic of topics) {
    source.addEventListener(topic, (event) => on.update(topic, JSON.parse(event.data)));
  }
}
