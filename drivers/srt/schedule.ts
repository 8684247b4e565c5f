/** When many connections are due: one timer and one look at all of them. */
import type { SrtConnection } from '../../protocols/srt/connection.ts';

/** Connections are looked at no oftener than this: acknowledgements are due every 10 ms. */
const MIN_SWEEP_MS = 4;
const START_CAPACITY = 64;

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

/** What connections send in a look leaves after it, together (drivers/udp). */
export class Schedule {
  private readonly members: Scheduled[] = [];
  /** By slot, side by side: a look at a thousand takes a microsecond. */
  private due = new Float64Array(START_CAPACITY);
  private timer: NodeJS.Timeout | undefined = undefined;
  private timerDue = NEVER;
  /** The soonest that a sweep has come across, also by what its callbacks did. */
  private next = NEVER;
  private sweeping = false;

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
    this.timerDue = NEVER;
    if (this.next < NEVER && members.length > 0) this.sleep(this.next);
  }
}

/** That of this process. */
export const schedule = new Schedule();
