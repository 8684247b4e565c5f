/** How fast packets come, for acknowledgements (draft-sharabayko-srt-01 section 3.2.4). */

const WINDOW_MS = 1000;

export class ReceiveRates {
  packetRate = 0;
  byteRate = 0;
  /** Packets per second that the link could carry, from packets sent back to back. */
  linkCapacity = 0;
  private packets = 0;
  private bytes = 0;
  private since: number;
  private probeAt = Number.NaN;
  private probe = -1;

  constructor(now: number) {
    this.since = now;
  }

  packet(sequence: number, size: number, now: number): void {
    this.packets++;
    this.bytes += size;
    const turn = sequence & 15;
    // Every 16th packet and the one after it leave without a pause.
    if (turn === 0) {
      this.probe = sequence;
      this.probeAt = now;
    } else if (turn === 1 && sequence === this.probe + 1) {
      const capacity = 1000 / Math.max(now - this.probeAt, 0.001);
      this.linkCapacity += (capacity - this.linkCapacity) / 8;
    }
    if (now - this.since < WINDOW_MS) return;
    const seconds = (now - this.since) / 1000;
    this.packetRate = this.packets / seconds;
    this.byteRate = this.bytes / seconds;
    this.packets = 0;
    this.bytes = 0;
    this.since = now;
  }
}
