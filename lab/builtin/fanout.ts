/** Merged writes: the players of one stream and protocol, in groups that are written to in turn. */
import { WRITE_PHASES } from './constants.ts';
import type { Format } from './format.ts';
import { type Frame, FrameKind } from './frame.ts';
import type { Batch, Player } from './player.ts';

/** The frames that some group has not been given yet, by running number. */
export interface FrameLog {
  readonly start: number;
  readonly end: number;
  at(number: number): Frame;
}

interface Group {
  /** Number of the next frame that this group has not got. */
  cursor: number;
  readonly players: Player[];
  /** Came since the last tick; each has a cursor of its own until then. */
  joiners: Player[];
}

/** Which frames a player may be refused by a defect; decided when it joins. */
export type FrameFilter = (number: number, frame: Frame) => boolean;

export class Fanout {
  readonly format: Format;
  readonly #log: FrameLog;
  readonly #groups: Group[] = [];
  readonly #lossy: Group;
  readonly #lossyFilter: FrameFilter | undefined;
  #joined = 0;
  #size = 0;

  /** @param lossyFilter every 7th player gets only the frames that pass it (a mutant). */
  constructor(format: Format, log: FrameLog, lossyFilter?: FrameFilter) {
    this.format = format;
    this.#log = log;
    this.#lossyFilter = lossyFilter;
    for (let i = 0; i < WRITE_PHASES; i++) this.#groups.push(newGroup(log.end));
    this.#lossy = newGroup(log.end);
  }

  get size(): number {
    return this.#size;
  }

  /** The player gets what is pushed from now on, at the ticks of its group. */
  add(player: Player): void {
    this.#joined++;
    const lossy = this.#lossyFilter !== undefined && this.#joined % 7 === 0;
    const group = lossy ? this.#lossy : this.#groups[this.#joined % WRITE_PHASES]!;
    player.cursor = this.#log.end;
    group.joiners.push(player);
    this.#size++;
  }

  remove(player: Player): void {
    for (const group of [...this.#groups, this.#lossy]) {
      if (player.index >= 0 && group.players[player.index] === player) {
        const last = group.players.pop()!;
        if (last !== player) {
          group.players[player.index] = last;
          last.index = player.index;
        }
        player.index = -1;
        this.#size--;
        return;
      }
      const joiner = group.joiners.indexOf(player);
      if (joiner >= 0) {
        group.joiners.splice(joiner, 1);
        this.#size--;
        return;
      }
    }
  }

  players(): Player[] {
    return [...this.#groups, this.#lossy].flatMap((group) => [...group.players, ...group.joiners]);
  }

  /** Forgets everybody; their sockets stay open. */
  clear(): void {
    for (const group of [...this.#groups, this.#lossy]) {
      group.players.length = 0;
      group.joiners = [];
    }
    this.#size = 0;
  }

  /** The number of the oldest frame that a group still has to be given. */
  get oldest(): number {
    let oldest = this.#lossyFilter ? this.#lossy.cursor : this.#log.end;
    for (const group of this.#groups) if (group.cursor < oldest) oldest = group.cursor;
    return oldest;
  }

  tick(phase: number): void {
    this.#flush(this.#groups[phase]!, undefined);
    if (this.#lossyFilter && phase === 0) this.#flush(this.#lossy, this.#lossyFilter);
  }

  #flush(group: Group, filter: FrameFilter | undefined): void {
    const end = this.#log.end;
    if (group.cursor < end && group.players.length > 0) {
      const batch = this.#batch(group.cursor, end, filter);
      for (const player of group.players) player.deliver(batch);
    }
    if (group.joiners.length > 0) this.#settle(group, end, filter);
    group.cursor = end;
  }

  /** Joiners of one tick that came at the same frame share a batch, too. */
  #settle(group: Group, end: number, filter: FrameFilter | undefined): void {
    const batches = new Map<number, Batch>();
    for (const player of group.joiners) {
      if (player.cursor < end) {
        let batch = batches.get(player.cursor);
        if (!batch) {
          batch = this.#batch(player.cursor, end, filter);
          batches.set(player.cursor, batch);
        }
        player.deliver(batch);
      }
      player.index = group.players.push(player) - 1;
    }
    group.joiners = [];
  }

  #batch(start: number, end: number, filter: FrameFilter | undefined): Batch {
    const frames: Frame[] = [];
    for (let number = start; number < end; number++) {
      const frame = this.#log.at(number);
      if (!filter || filter(number, frame)) frames.push(frame);
    }
    return batchOf(this.format, frames);
  }
}

export function batchOf(format: Format, frames: readonly Frame[]): Batch {
  let firstTimestamp = Number.NaN;
  let lastTimestamp = Number.NaN;
  let hasHeaders = false;
  const parts: Uint8Array[] = [];
  for (const frame of frames) {
    parts.push(format.encode(frame));
    if (frame.kind === FrameKind.audioHeader || frame.kind === FrameKind.videoHeader) hasHeaders = true;
    else if (frame.kind !== FrameKind.metadata) {
      if (Number.isNaN(firstTimestamp)) firstTimestamp = frame.timestamp;
      lastTimestamp = frame.timestamp;
    }
  }
  return { bytes: format.join(parts), firstTimestamp, lastTimestamp, madeAt: performance.now(), hasHeaders };
}

function newGroup(cursor: number): Group {
  return { cursor, players: [], joiners: [] };
}
