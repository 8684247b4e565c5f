/** The figures on the stage of a check: recorded publishers and players, and crowds. */
import type { Player, Publisher } from '../drivers/client.ts';
import type { CrowdFigures } from './history.ts';

export interface PublishRequest {
  /** Publish URL. */
  readonly url: string;
  readonly label?: string;
}

export interface RecordedPublisher {
  readonly label: string;
  readonly client: Publisher;
  /** Video frames sent so far. */
  readonly frames: number;
  /** Stops sending, keeps the connection. */
  pause(): void;
  resume(): void;
  /** Unpublishes and closes; resolves when closed. */
  stop(): Promise<void>;
}

export interface RecordedPlayer {
  readonly label: string;
  readonly client: Player;
  /** Resolves at the first complete video keyframe with a stamp; rejects when it closes or `withinMs` is over. */
  playing(withinMs: number): Promise<void>;
  /** Resolves once `count` further video frames have come. */
  frames(count: number, withinMs: number): Promise<void>;
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
  /** Resolves when every player has its first keyframe, or has failed; rejects after `withinMs`. */
  joined(withinMs: number): Promise<void>;
  /** Resolves when the slowest player has `count` frames. */
  frames(count: number, withinMs: number): Promise<void>;
  /** Records the figures in the history. */
  record(): void;
  stop(): Promise<void>;
}
