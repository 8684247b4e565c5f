/** HLS players as clients: a session from the master playlist until playlists are asked for no more (facts/srs.md 6.4). */
import { type ClientConnection, type ClientRecord, randomId } from '../clients.ts';
import { MAX_HLS_SESSIONS } from '../constants.ts';

export const SESSION_QUERY = 'hls_ctx';

/** Sessions are looked through this often, in ms. */
const LOOK_MS = 1000;
/** Ids that a player brings along are taken over when they look like one. */
const ID = /^[0-9A-Za-z]{1,32}$/;

export class HlsSession implements ClientConnection {
  readonly client: ClientRecord;
  readonly bytesRead = 0;
  bytesWritten = 0;
  /** Thrown out by the API: its playlist is gone for it. */
  kicked = false;
  /** Monotonic time of its last playlist. */
  seenAt = performance.now();
  readonly #onKicked: () => void;

  constructor(client: Omit<ClientRecord, 'socket'>, onKicked: (session: HlsSession) => void) {
    this.client = { ...client, socket: this };
    this.#onKicked = () => onKicked(this);
  }

  destroy(): void {
    this.kicked = true;
    this.#onKicked();
  }
}

/** The clients of a node. */
export interface SessionEvents {
  readonly clients: ReadonlyMap<string, ClientRecord>;
  enter(client: ClientRecord): void;
  leave(client: ClientRecord): void;
}

export class HlsSessions {
  readonly #expiryMs: number;
  readonly #events: SessionEvents;
  readonly #sessions = new Map<string, HlsSession>();
  readonly #timer: NodeJS.Timeout;

  /** @param windowSeconds a session expires two windows after its last playlist. */
  constructor(windowSeconds: number, events: SessionEvents) {
    this.#expiryMs = 2000 * windowSeconds;
    this.#events = events;
    this.#timer = setInterval(() => this.#expire(), LOOK_MS);
  }

  get(id: string): HlsSession | undefined {
    return this.#sessions.get(id);
  }

  touch(session: HlsSession): void {
    session.seenAt = performance.now();
  }

  /**
   * @param asked an id that is no session (any more) is given again, unless another client has it.
   * @returns undefined when there are too many.
   */
  open(asked: string, path: string, host: string, ip: string): string | undefined {
    if (this.#sessions.size >= MAX_HLS_SESSIONS) return undefined;
    const id = ID.test(asked) && !this.#events.clients.has(asked) ? asked : randomId();
    const slash = path.lastIndexOf('/');
    const session = new HlsSession(
      {
        id,
        type: 'hls-play',
        ip,
        tcUrl: `http://${host}${path.slice(0, slash)}`,
        url: path.replace(/\.m3u8$/, ''),
        name: path.slice(slash + 1),
        publish: false,
        since: Date.now(),
      },
      ({ client }) => this.#events.leave(client),
    );
    this.#sessions.set(id, session);
    this.#events.enter(session.client);
    return id;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #expire(): void {
    const before = performance.now() - this.#expiryMs;
    for (const [id, { seenAt, client }] of this.#sessions) {
      if (seenAt > before) continue;
      this.#sessions.delete(id);
      this.#events.leave(client);
    }
  }
}
