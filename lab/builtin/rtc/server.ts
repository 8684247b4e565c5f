/** WHIP and WHEP of a node: its sessions, on one UDP port. */
import type { IceUdpMuxListener } from 'node-datachannel';
import { type ClientRecord, randomId } from '../clients.ts';
import type { MediaNode } from '../node.ts';
import type { StreamOutput } from '../output.ts';
import type { Publication } from '../role.ts';
import type { Stream } from '../stream.ts';
import type { StreamName } from '../stream-name.ts';
import { RtcChannel } from './channel.ts';
import { type Library, loadLibrary } from './library.ts';
import { OfferError, ownPayloadTypes, type RtcUse, readOffer } from './negotiate.ts';
import { RtcPlayer } from './player.ts';
import { RtcPublisher } from './publisher.ts';
import { RtcSession } from './session.ts';

const TICK_MS = 100;

/** A session cannot be had, whatever the offer is: its HTTP status, and why. */
export class SessionError extends Error {
  override readonly name = 'SessionError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface RtcRequest {
  readonly use: RtcUse;
  readonly name: StreamName;
  readonly offer: string;
  /** Of the HTTP client. */
  readonly ip: string;
}

export class RtcServer {
  readonly #node: MediaNode;
  readonly #port: number;
  readonly #sessions = new Set<RtcSession>();
  readonly #channels = new Map<string, RtcChannel>();
  #library: Library | undefined;
  /** Holds the port while there is no session; checks of unknown user names end here. */
  #listener: IceUdpMuxListener | undefined;
  #ticker: NodeJS.Timeout | undefined;

  constructor(node: MediaNode, port: number) {
    this.#node = node;
    this.#port = port;
  }

  /** Resolves when the port is bound. */
  async start(): Promise<void> {
    this.#library = await loadLibrary();
    const { host } = this.#node.config;
    try {
      this.#listener = new this.#library.IceUdpMuxListener(this.#port, host);
    } catch (cause) {
      throw new Error(`UDP ${host}:${this.#port} cannot be bound`, { cause });
    }
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends every session. Idempotent. */
  close(): void {
    clearInterval(this.#ticker);
    for (const session of [...this.#sessions]) session.close('the node ends');
    this.#listener?.stop();
    this.#listener = undefined;
  }

  /** The source of a stream begins: it goes to its WHEP players, too. */
  output({ url }: Stream): StreamOutput {
    const channel = this.#use(url);
    return channel.publication(() => this.#release(url, channel));
  }

  /**
   * A session and its answer.
   * @throws OfferError, SessionError
   */
  async create(request: RtcRequest): Promise<{ session: RtcSession; answer: string }> {
    const { mutants, config } = this.#node;
    const negotiation = readOffer(request.offer, request.use);
    const session = new RtcSession(
      this.#library!,
      { host: config.host, port: this.#port },
      mutants.has('sdp-own-payload-types') ? ownPayloadTypes(negotiation) : negotiation,
      mutants,
      (closed, reason) => this.#onClosed(closed, reason),
    );
    if (!this.#node.admit(session, request.ip)) {
      session.close('too many connections');
      throw new SessionError(503, 'too many connections');
    }
    this.#sessions.add(session);
    try {
      if (request.use === 'play') this.#play(session, request);
      else await this.#publish(session, request);
      return { session, answer: await session.answer() };
    } catch (error) {
      session.close(String(error));
      if (error instanceof SessionError) throw error;
      throw new OfferError(422, error instanceof Error ? error.message : String(error));
    }
  }

  /** That of a Location; undefined when it is not there, or not told by its token. */
  find(id: string, token: string): RtcSession | undefined {
    for (const session of this.#sessions)
      if (session.id === id) return session.token === token ? session : undefined;
    return undefined;
  }

  #play(session: RtcSession, request: RtcRequest): void {
    const { url } = request.name;
    const stream = this.#node.stream(url);
    const channel = this.#use(url);
    stream.guests++;
    session.purpose = new RtcPlayer(session, channel, this.#node.mutants, () => {
      stream.guests--;
      this.#release(url, channel);
    });
    this.#enter(session, request);
  }

  async #publish(session: RtcSession, request: RtcRequest): Promise<void> {
    const { role, timeouts, mutants, hooks } = this.#node;
    const { url, app, requested } = request.name;
    const client = this.#record(session, request);
    const { tcUrl } = client;
    const publish = { stream: this.#node.stream(url), app, streamName: requested, tcUrl, client };
    await hooks?.onPublish(publish).catch((refusal: Error) => {
      throw new SessionError(403, refusal.message);
    });
    if (!this.#sessions.has(session)) {
      hooks?.onLeft(publish);
      throw new SessionError(503, 'the session has ended');
    }
    const publication = role.publish(publish, {
      onStarted() {},
      onClosed: (reason) => session.close(reason),
    });
    // SRS closes the HTTP connection without an answer (code 5020).
    if (!publication) throw new SessionError(409, `stream ${url} is busy`);
    const channel = this.#use(url);
    const held: Publication = {
      onMessage: (message) => publication.onMessage(message),
      close: () => {
        publication.close();
        this.#release(url, channel);
      },
    };
    const options = { keyframeMs: timeouts.rtcKeyframe, mutants };
    session.purpose = new RtcPublisher(session, held, channel, options);
    this.#enter(session, request, client);
  }

  #enter(session: RtcSession, request: RtcRequest, client = this.#record(session, request)): void {
    session.client = client;
    this.#node.enter(client);
  }

  #record(session: RtcSession, { use, name, ip }: RtcRequest): ClientRecord {
    return {
      id: randomId(),
      type: use === 'play' ? 'rtc-play' : 'rtc-publish',
      ip,
      tcUrl: `webrtc://${this.#node.config.host}/${name.app}`,
      url: name.url,
      name: name.name,
      publish: use === 'publish',
      since: Date.now(),
      socket: session,
    };
  }

  #use(url: string): RtcChannel {
    let channel = this.#channels.get(url);
    if (!channel) {
      channel = new RtcChannel(this.#node.mutants);
      this.#channels.set(url, channel);
    }
    channel.users++;
    return channel;
  }

  #release(url: string, channel: RtcChannel): void {
    channel.users--;
    if (channel.users === 0) this.#channels.delete(url);
  }

  #onClosed(session: RtcSession, reason: string): void {
    this.#sessions.delete(session);
    this.#node.release(session);
    if (!session.client) return;
    this.#node.log(`rtc ${session.client.ip}: ${reason}`);
    this.#node.leave(session.client);
  }

  #tick(): void {
    const now = performance.now();
    const { timeouts, mutants } = this.#node;
    const silenceMs = timeouts.rtcSilence * (mutants.has('rtc-session-lingers') ? 2 : 1);
    for (const session of this.#sessions) session.tick(now, silenceMs);
  }
}
