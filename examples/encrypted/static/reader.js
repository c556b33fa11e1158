// Opens what flask_mercure_sse.encryption wrote, with nothing but the browser's own cryptography: a compact
// JWE of the algorithms "dir" and "A256GCM" (RFC 7516, RFC 7518) around the claims iat, jti and data.

const utf8 = new TextDecoder("utf-8", { fatal: true });
const PAUSE = 1000;

/** Why a message is not shown. */
export class Refused extends Error {}

export class Reader {
  #url;
  #keys = new Map();
  #fetchedAt = -Infinity;
  #since;
  #seen = new Set();

  /** @param {string} url where the app gives the keys to whoever is signed in */
  constructor(url) {
    this.#url = url;
  }

  /** Fetch the keys. Scripts, too, can only use them and never read them again. */
  async fetchKeys() {
    this.#fetchedAt = Date.now();
    const answer = await fetch(this.#url, { cache: "no-store", mode: "same-origin" });
    if (!answer.ok) throw new Refused(`there is no key for it here (${answer.status})`);
    const { keys, now } = await answer.json();
    const imported = keys.map((key) => crypto.subtle.importKey("jwk", key, "AES-GCM", false, ["decrypt"]));
    const usable = await Promise.all(imported);
    this.#keys = new Map(keys.map(({ kid }, index) => [kid, usable[index]]));
    this.#since ??= now;
  }

  /**
   * Return the data of a message.
   *
   * A hub cannot change a message or make one up, but it can keep one and send it again. So a message from
   * before this reader began is refused, and one that was here already.
   */
  async read(message) {
    const { iat, jti, data } = await this.#open(message);
    if (!(iat >= this.#since)) throw new Refused("it is from before this page was opened");
    if (this.#seen.has(jti)) throw new Refused("it was here already");
    this.#seen.add(jti);
    return data;
  }

  async #open(message) {
    const { kid, ...sealed } = taken(message);
    const key = await this.#key(kid);
    const { iv, additionalData, content } = sealed;
    try {
      const opened = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, content);
      return JSON.parse(utf8.decode(opened));
    } catch {
      throw new Refused("it was changed on its way, or encrypted with another key");
    }
  }

  async #key(kid) {
    if (!this.#keys.has(kid)) {
      // The app may have a new key by now. Whoever makes up kids cannot make this ask more than once a second.
      const wait = this.#fetchedAt + PAUSE - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await this.fetchKeys();
    }
    const key = this.#keys.get(kid);
    if (!key) throw new Refused("there is no key for it here");
    return key;
  }
}

/** Take a message apart. The header counts only once the content has been opened, which proves it. */
function taken(message) {
  try {
    const [header, wrappedKey, iv, ciphertext, tag, ...more] = message.split(".");
    const { alg, enc, kid, crit, zip } = JSON.parse(utf8.decode(bytes(header)));
    const agreed = alg === "dir" && enc === "A256GCM" && crit === undefined && zip === undefined;
    if (!agreed || wrappedKey !== "" || more.length > 0) throw new TypeError();
    const content = new Uint8Array([...bytes(ciphertext), ...bytes(tag)]);
    return { kid, iv: bytes(iv), additionalData: new TextEncoder().encode(header), content };
  } catch {
    throw new Refused("it is not encrypted as agreed");
  }
}

function bytes(base64url) {
  const text = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
