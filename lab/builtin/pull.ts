/** Merged back-to-source: one upstream for all players of a stream, from the first player to the last. */
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import { encodeCommand, playRedirectCommand } from '../../protocols/rtmp/commands.ts';
import type { Message } from '../../protocols/rtmp/message-assembler.ts';
import { MessageTypeId } from '../../protocols/rtmp/messages.ts';
import { parseRtmpUrl } from '../../protocols/rtmp/url.ts';
import { randomId } from './clients.ts';
import { CHUNK_SIZE, MAX_REDIRECTS } from './constants.ts';
import { framesOf } from './media-message.ts';
import type { MediaNode } from './node.ts';
import { PullDefects } from './pull-defects.ts';
import { namedVhost, paramWithoutVhost, requestUrl, withoutQuery } from './request-url.ts';
import type { PlayerProtocol, Stream, StreamDemand } from './stream.ts';
import { Upstream, type UpstreamTarget } from './upstream.ts';

const PullState = {
  /** No player. */
  idle: 'idle',
  /** On the way to the first media. */
  starting: 'starting',
  pulling: 'pulling',
  /** Between two attempts. */
  waiting: 'waiting',
  /** The last player has left; the origin has not confirmed the end yet. */
  releasing: 'releasing',
} as const;
type PullState = (typeof PullState)[keyof typeof PullState];

/** A release is over when the origin has closed, too, so that a rejoin never makes two; at most this long. */
const RELEASE_GRACE_MS = 500;
/** Mutants: how long the late release waits, and how long a faulty release is in progress. */
const LATE_RELEASE_MS = 8000;
const FAULTY_RELEASE_MS = 300;
/** Mutant: for how long an origin may be silent. */
const HASTY_MS = 1000;
/** Mutant: an absent stream is given this long. */
const IMPATIENCE_MS = 50;

export class Pull implements StreamDemand {
  /** More than one only by a mutant. */
  readonly streams: Stream[];
  readonly #node: MediaNode;
  #state: PullState = PullState.idle;
  #upstream: Upstream | undefined;
  #retry: NodeJS.Timeout | undefined;
  #lateRelease: NodeJS.Timeout | undefined;
  /** Next origin of the round robin. */
  #next = 0;
  /** Mutants: upstreams beside the one that feeds. */
  readonly #extras: Upstream[] = [];
  /** Mutant: pulls without a player. */
  #eager = false;
  readonly #defects: PullDefects;
  /** Mutant: where a 302 once sent it. */
  #remembered: UpstreamTarget | undefined;

  constructor(node: MediaNode, stream: Stream) {
    this.#node = node;
    this.streams = [stream];
    this.#defects = new PullDefects(node.mutants);
  }

  get active(): boolean {
    return this.#state !== PullState.idle && this.#state !== PullState.releasing;
  }

  onPlayer(): void {
    clearTimeout(this.#lateRelease);
    const { mutants } = this.#node;
    if (this.#state === PullState.idle) {
      this.#begin();
      return;
    }
    if (mutants.has('edge-pulls-per-player')) this.#addExtra();
    if (mutants.has('edge-pulls-twice-under-herd') && this.#state === PullState.starting) {
      if (this.#extras.length === 0) this.#addExtra();
    }
    if (mutants.has('edge-pulls-per-protocol') && this.#bothProtocols() && this.#extras.length === 0) {
      this.#addExtra();
    }
    if (mutants.has('edge-rejoin-doubles') && this.#state === PullState.releasing) this.#addExtra();
  }

  onPlayerLeft(_protocol: PlayerProtocol): void {
    const { mutants } = this.#node;
    if (this.#players() > 0) {
      if (mutants.has('edge-pulls-per-player')) this.#dropExtra();
      if (mutants.has('edge-pulls-per-protocol') && !this.#bothProtocols()) this.#dropExtra();
      if (mutants.has('edge-releases-at-first-leaver')) this.#upstream?.close('a player left', 0);
      return;
    }
    if (mutants.has('edge-never-releases') || this.#eager) return;
    if (mutants.has('edge-releases-late')) {
      this.#lateRelease = setTimeout(() => this.#release(), LATE_RELEASE_MS);
      return;
    }
    this.#release();
  }

  /** Mutant: pulls although nobody plays. */
  pullEagerly(): void {
    if (this.#eager) return;
    this.#eager = true;
    if (this.#state === PullState.idle) this.#begin();
  }

  /** The stream is forgotten. */
  close(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#lateRelease);
    this.#upstream?.close('stream forgotten', 0);
    while (this.#extras.length > 0) this.#dropExtra();
    this.#state = PullState.idle;
  }

  /** Who comes next must not be given the GOP of before. */
  #forgetMedia(): void {
    for (const stream of this.streams) stream.closeOutputs();
    if (this.#node.mutants.has('edge-keeps-gop-after-release')) return;
    for (const stream of this.streams) stream.begin();
  }

  #players(): number {
    return this.streams.reduce((sum, stream) => sum + stream.playerCount, 0);
  }

  #bothProtocols(): boolean {
    return this.streams.some((stream) => stream.hasPlayers('rtmp') && stream.hasPlayers('flv'));
  }

  #begin(): void {
    this.#state = PullState.starting;
    this.#attempt(this.#nextTarget(), 0);
  }

  #nextTarget(): UpstreamTarget {
    if (this.#remembered) return this.#remembered;
    const { origins } = this.#node.config;
    const turn = this.#node.mutants.has('edge-stays-with-first-origin') ? 0 : this.#next++;
    const { host, port } = origins[turn % origins.length]!;
    const { app, name, asked } = this.streams[0]!;
    return { host, port, app, streamName: name + paramWithoutVhost(asked), vhost: namedVhost(asked) };
  }

  #attempt(target: UpstreamTarget, redirects: number): void {
    const { log, mutants, timeouts } = this.#node;
    const url = this.streams[0]!.url;
    let redirect: string | undefined;
    let impatience: NodeJS.Timeout | undefined;
    const upstream = this.#open(target, {
      onStarted: () => {
        log(`pull ${url} from ${target.host}:${target.port}`);
        if (this.#upstream !== upstream) return;
        if (mutants.has('edge-missing-stream-floods')) {
          impatience = setTimeout(() => {
            if (this.#state === PullState.starting) upstream.close('impatient', 0);
          }, IMPATIENCE_MS);
        }
      },
      onMessage: (message) => {
        if (this.#upstream === upstream) this.#onMedia(message);
      },
      onRedirect: (location) => {
        redirect = location;
        if (mutants.has('edge-leaks-redirect')) this.#leak(location);
        const close = (): void => upstream.close(`redirected to ${location}`, 0);
        if (mutants.has('edge-waits-after-redirect')) setTimeout(close, timeouts.upstreamRetry);
        else close();
      },
      onClosed: (reason) => {
        clearTimeout(impatience);
        log(`pull ${url} from ${target.host}:${target.port} ended: ${reason}`);
        if (this.#upstream === upstream) this.#onEnded(redirect, redirects);
      },
    });
    this.#upstream = upstream;
  }

  /** Mutant. */
  #leak(location: string): void {
    const payload = encodeCommand(playRedirectCommand(location));
    const writer = new ChunkWriter();
    writer.chunkSize = CHUNK_SIZE;
    const chunks = writer.encode(5, MessageTypeId.CommandAmf0, 0, 0, payload);
    for (const { fanouts } of this.streams) {
      for (const { socket } of fanouts.rtmp.players()) socket.write(chunks);
    }
  }

  #onMedia(message: Message): void {
    framesOf(message, (frame) => {
      if (this.#state !== PullState.pulling) {
        this.#state = PullState.pulling;
        for (const stream of this.streams) stream.openOutputs(this.#node.outputsOf(stream, stream.name));
      }
      this.#defects.pass(frame, this.streams, (passed) => {
        for (const stream of this.streams) stream.push(passed);
      });
    });
  }

  #onEnded(redirect: string | undefined, redirects: number): void {
    this.#upstream = undefined;
    this.#forgetMedia();
    if (this.#state === PullState.releasing) {
      this.#state = PullState.idle;
      if (this.#players() > 0 && !this.#node.mutants.has('edge-releases-under-player')) this.#begin();
      return;
    }
    if (this.#state === PullState.idle) return;
    if (this.#state === PullState.pulling) this.#defects.onBroken(this.streams);
    this.#state = PullState.starting;
    const target = redirect === undefined ? undefined : this.#redirected(redirect, redirects);
    if (target) {
      this.#attempt(target, redirects + 1);
      return;
    }
    this.#state = PullState.waiting;
    const { mutants, timeouts } = this.#node;
    if (mutants.has('edge-never-retries')) return;
    const hasty = mutants.has('edge-missing-stream-floods') || mutants.has('edge-retries-at-once');
    const pause = hasty ? 0 : timeouts.upstreamRetry;
    this.#retry = setTimeout(() => this.#begin(), pause);
  }

  /** Undefined when it is not to be followed: then the attempt has failed. */
  #redirected(location: string, redirects: number): UpstreamTarget | undefined {
    const { mutants } = this.#node;
    const target = targetOf(location);
    if (mutants.has('edge-ignores-redirect')) return undefined;
    if (mutants.has('edge-drops-players-at-redirect')) {
      for (const { fanouts } of this.streams)
        for (const { socket } of fanouts.rtmp.players()) socket.destroy();
    }
    if (mutants.has('edge-remembers-redirect')) this.#remembered = target;
    if (redirects >= MAX_REDIRECTS && !mutants.has('edge-follows-forever')) return undefined;
    return target && mutants.has('edge-redirect-loses-query')
      ? { ...target, streamName: withoutQuery(target.streamName), vhost: undefined }
      : target;
  }

  #release(): void {
    clearTimeout(this.#retry);
    while (this.#extras.length > 0) this.#dropExtra();
    const upstream = this.#upstream;
    if (!upstream) {
      this.#state = PullState.idle;
      return;
    }
    if (this.#state === PullState.releasing) return;
    this.#state = PullState.releasing;
    this.#forgetMedia();
    const { mutants } = this.#node;
    if (mutants.has('edge-releases-under-player') || mutants.has('edge-rejoin-doubles')) {
      setTimeout(() => this.#finishFaultyRelease(upstream), FAULTY_RELEASE_MS);
    } else upstream.close('last player left', RELEASE_GRACE_MS);
  }

  #finishFaultyRelease(upstream: Upstream): void {
    const rejoined = this.#players() > 0 && this.#node.mutants.has('edge-rejoin-doubles');
    if (rejoined) this.#state = PullState.pulling;
    else upstream.close('last player left', RELEASE_GRACE_MS);
  }

  #open(target: UpstreamTarget, events: ConstructorParameters<typeof Upstream>[1]): Upstream {
    const { config, timeouts, mutants } = this.#node;
    const timeoutMs = mutants.has('edge-impatient-with-origin') ? HASTY_MS : timeouts.upstream;
    const options = { target, use: 'play', localAddress: config.host, timeoutMs } as const;
    return new Upstream({ ...options, id: randomId() }, events);
  }

  #addExtra(): void {
    const ignore = (): void => {};
    const events = { onStarted: ignore, onMessage: ignore, onRedirect: ignore, onClosed: ignore };
    this.#extras.push(this.#open(this.#nextTarget(), events));
  }

  #dropExtra(): void {
    this.#extras.pop()?.close('last player left', 0);
  }
}

/** Undefined when the location is no RTMP URL: then it is an attempt that failed. */
function targetOf(location: string): UpstreamTarget | undefined {
  try {
    const { host, port, app, stream, tcUrl } = parseRtmpUrl(location);
    const asked = requestUrl(tcUrl, app, stream);
    return {
      host,
      port,
      app: withoutQuery(app),
      streamName: withoutQuery(stream) + paramWithoutVhost(asked),
      vhost: namedVhost(asked),
    };
  } catch {
    return undefined;
  }
}
