/** When many connections are due: one timer and one look at all of them, and what they send leaves together. */
import type { Socket } from 'node:dgram';
import type { SrtConnection } from '../../protocols/srt/connection.ts';
import { PacketPool } from '../../protocols/srt/packet-pool.ts';

/** Connections are looked at no oftener than this: acknowledgements are due every 10 ms. */
const MIN_SWEEP_MS = 4;
const START_CAPACITY = 64;
/** Control packets, nearly all of one size. */
const OUTBOX_BYTES = 256 * 1024;

const NEVER = Number.POSITIVE_INFINITY;

/** Plain fields: every connection of the process is here. */
export class Scheduled {
  readonly connection: SrtConnection;
  /** Where it stands in the schedule; -1 when it does not. */
  slot = -1;

  constructor(connection: SrtConnection) {
    this.connection = connection;
  }
}

/**
 * First all that is due is played, then all acknowledgements go out: code and memory of either stay in the processor's
 * cache, and a server on the same machine is woken once.
 */
export class Schedule {
  private readonly members: Scheduled[] = [];
  /** By slot, side by side: a look at a thousand takes a microsecond. */
  private due = new Float64Array(START_CAPACITY);
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerDue = NEVER;
  /** The soonest that a sweep has come across, also by what its callbacks did. */
  private next = NEVER;
  private sweeping = false;
  private readonly pool = new PacketPool(OUTBOX_BYTES);
  private readonly packets: Uint8Array[] = [];
  private readonly sockets: Socket[] = [];

  add(member: Scheduled): void {
    member.slot = this.members.length;
    this.members.push(member);
    if (this.members.length > this.due.length) {
      const grown = new Float64Array(2 * this.due.length);
      grown.set(this.due);
      this.due = grown;
    }
    this.due[member.slot] = NEVER;
    this.wake(member);
  }

  /** Idempotent. */
  remove(member: Scheduled): void {
    const { slot } = member;
    if (slot < 0) return;
    member.slot = -1;
    const last = this.members.pop()!;
    if (last !== member) {
      this.members[slot] = last;
      this.due[slot] = this.due[last.slot]!;
      last.slot = slot;
    }
    if (this.members.length > 0) return;
    clearTimeout(this.timer);
    this.timerDue = NEVER;
  }

  /** The connection's deadline may have changed. */
  wake(member: Scheduled): void {
    if (member.slot < 0) return;
    const { deadline } = member.connection;
    this.due[member.slot] = deadline;
    if (this.sweeping) {
      if (deadline < this.next) this.next = deadline;
    } else if (deadline < this.timerDue) {
      clearTimeout(this.timer);
      this.sleep(deadline);
    }
  }

  /** Sends now, or at the end of the sweep that is under way. `bytes` may be reused after the call. */
  send(socket: Socket, bytes: Uint8Array): void {
    if (!this.sweeping) {
      // Taken by the system at once, or else sent a little later: then with what was written over it by an
      // acknowledgement of another connection, which is the loss of a datagram, as the system was too busy for it.
      socket.send(bytes);
      return;
    }
    this.sockets.push(socket);
    this.packets.push(this.pool.copy(bytes));
  }

  private sleep(due: number): void {
    this.timerDue = due;
    this.timer = setTimeout(() => this.sweep(), Math.max(MIN_SWEEP_MS, Math.ceil(due - performance.now())));
  }

  private sweep(): void {
    const { members } = this;
    const now = performance.now();
    this.next = NEVER;
    this.sweeping = true;
    // From the end on, so that whoever is removed meanwhile is replaced by one that was looked at.
    for (let slot = members.length - 1; slot >= 0; slot--) {
      if (slot >= members.length) continue;
      if (this.due[slot]! <= now) {
        const member = members[slot]!;
        const due = member.connection.tick(now);
        if (member.slot >= 0) this.due[member.slot] = due;
      }
      if (slot < members.length && this.due[slot]! < this.next) this.next = this.due[slot]!;
    }
    this.sweeping = false;
    this.flush();
    this.timerDue = NEVER;
    if (this.next < NEVER && members.length > 0) this.sleep(this.next);
  }

  private flush(): void {
    const { sockets, packets } = this;
    for (let index = 0; index < packets.length; index++) {
      sockets[index]!.send(packets[index]!);
      this.pool.release(packets[index]!);
    }
    sockets.length = 0;
    packets.length = 0;
  }
}

/** That of this process. */
export const schedule = new Schedule();
