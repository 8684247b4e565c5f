/** The figures on the stage of a check: recorded publishers and players, and crowds. */
import type { ByteTape, ClientOptions, Player, Publisher } from '../drivers/client.ts';
import { PLAYING_WITHIN_MS } from './bounds.ts';
import type { Habit } from './habits.ts';
import type { CrowdFigures, History } from './history.ts';

/** A frame is sent every so often; from one keyframe to the next there are so many (fixtures/media/README.md). */
export const FRAME_MS = 40;
export const GOP_FRAMES = 25;

export interface PublishRequest {
  /** Publish URL. */
  readonly url: string;
  /** Default `publisher`, `publisher-2`, … */
  readonly label?: string;
  /** Bytes of filler data (H.264 7.3.1, nal_unit_type 12) that every video frame is made longer by. Default 0. */
  readonly filler?: number;
  /**
   * Of the file's keyframes the first one only; where a keyframe is asked for, the file begins anew with it. A request
   * is a step `keyframe-requested` with `publisher`. Default false.
   */
  readonly rareKeyframes?: boolean;
  /** WHIP: the media goes here, and not where the answer says: a tap on the way. */
  readonly mediaTo?: { readonly host: string; readonly port: number };
  /** Default simple. */
  readonly handshake?: 'simple' | 'digest';
  /**
   * As an encoder does: an attempt that is refused, or breaks off before Publish.Start, is followed by another. Every
   * one is a step `publish-attempt` with `publisher` and `attempt`. Default: one attempt.
   */
  readonly retry?: { readonly everyMs: number; readonly withinMs: number };
}

export interface RecordedPublisher {
  readonly label: string;
  readonly client: Publisher;
  /** Video frames sent so far. */
  readonly frames: number;
  /** Stops sending, keeps the connection. */
  pause(): void;
  resume(): void;
  /** Resolves once `count` further video frames were sent. */
  sent(count: number, withinMs: number): Promise<void>;
  /** Unpublishes and closes; resolves when closed. */
  stop(): Promise<void>;
}

/** Where a player comes from, and of HLS how it plays. */
export interface PlayOptions extends Pick<ClientOptions, 'localAddress' | 'hls'> {
  /** WHEP: the media goes here, and not where the answer says: a tap on the way. */
  readonly mediaTo?: { readonly host: string; readonly port: number };
}

export interface RecordedPlayer {
  readonly label: string;
  readonly client: Player;
  /** Resolves at the first complete video keyframe with a stamp; not observed when it closes or time is over. */
  playing(withinMs: number): Promise<void>;
  /** Resolves once `count` further video frames have come. */
  frames(count: number, withinMs: number): Promise<void>;
  /** Resolves when the connection is closed, by whomever. */
  closed(withinMs: number): Promise<void>;
  stop(): Promise<void>;
}

/** As the datum of a step: `words` of judging.ts reads them. */
export function labels(clients: readonly { readonly label: string }[]): string {
  return clients.map(({ label }) => label).join(' ');
}

/** Each within the time that two hops and a pull that is tried again may take. */
export async function allPlaying(players: readonly RecordedPlayer[]): Promise<void> {
  await Promise.all(players.map((player) => player.playing(PLAYING_WITHIN_MS)));
}

/** A publisher that comes back by itself, and whose encoder goes on meanwhile. */
export interface EncodeRequest extends Pick<PublishRequest, 'url' | 'label' | 'filler'> {
  readonly habit: Habit;
}

/** All its sessions have one label and one number of the stream in their stamps. */
export interface RecordedEncoder {
  readonly label: string;
  /** Connections so far, tried or made. */
  readonly sessions: number;
  /** Resolves once the session that is under way has sent `count` further video frames. */
  sent(count: number, withinMs: number): Promise<void>;
  /** Unpublishes, and does not come back. */
  stop(): Promise<void>;
}

/** A player that comes back by itself. */
export interface WatchRequest {
  readonly url: string;
  readonly label?: string;
  readonly habit: Habit;
  /** It connects anew, too, when no video frame has come for so long. Default VIEWER_PATIENCE_MS. */
  readonly patienceMs?: number;
  readonly options?: PlayOptions;
}

/** All its sessions have one label. */
export interface RecordedViewer {
  readonly label: string;
  readonly sessions: number;
  stop(): Promise<void>;
}

export interface CrowdRequest {
  readonly label: string;
  /** Players are spread over these evenly. */
  readonly urls: readonly string[];
  readonly clients: number;
  /** All at once when 0. */
  readonly rampMs: number;
}

export interface Crowd {
  readonly label: string;
  readonly figures: CrowdFigures;
  /** Resolves when every player has its first keyframe, or has failed. */
  joined(withinMs: number): Promise<void>;
  /** Resolves when the slowest player has `count` frames. */
  frames(count: number, withinMs: number): Promise<void>;
  /** Records the figures in the history. */
  record(): void;
  stop(): Promise<void>;
}

/** What the figures of one check share: where they record, how they wait, and who takes them down. */
export interface StageHand {
  readonly history: History;
  readonly signal: AbortSignal;
  /** Whether WebRTC of an endpoint on loopback may come from elsewhere. Default false. */
  readonly allowRemote?: boolean;
  /** Where clients may be led, beside the host of their URL. Default nowhere. */
  readonly allowHosts?: readonly string[];
  /** Keeps the first and last bytes of a client's connection, should somebody ask. Default nobody does. */
  tape?(label: string, url: string): ByteTape;
  /** See CheckContext.within. */
  within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T>;
  /** See CheckContext.cleanUp. Every figure gives it its own `stop`, before anything of it can be awaited. */
  cleanUp(action: () => void | Promise<void>): void;
}

/** Puts figures on the stage. The real one is scenarios/actors.ts; tests of the gate bring their own. */
export interface Stage {
  publish(hand: StageHand, request: PublishRequest & { label: string }): Promise<RecordedPublisher>;
  play(hand: StageHand, url: string, label: string, options?: PlayOptions): RecordedPlayer;
  /** Resolves at the first Publish.Start. */
  encode(hand: StageHand, request: EncodeRequest & { label: string }): Promise<RecordedEncoder>;
  watch(hand: StageHand, request: WatchRequest & { label: string }): RecordedViewer;
  crowd(hand: StageHand, request: CrowdRequest): Promise<Crowd>;
}
