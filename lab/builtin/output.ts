/** Where the frames of a stream go beside its players: to forward destinations, and into HLS. */
import type { Frame } from './frame.ts';

export interface StreamOutput {
  push(frame: Frame): void;
  /** The source of the stream has gone; idempotent. */
  close(): void;
}
