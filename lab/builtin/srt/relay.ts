/** What SRT publishers send, as it is, to the SRT players of the same stream: no cache, no headers (facts/srs.md 8). */
import type { SrtConnection } from '../../../protocols/srt/connection.ts';

export class SrtRelay {
  readonly #players = new Map<string, Set<SrtConnection>>();

  add(url: string, player: SrtConnection): void {
    const players = this.#players.get(url);
    if (players) players.add(player);
    else this.#players.set(url, new Set([player]));
  }

  remove(url: string, player: SrtConnection): void {
    const players = this.#players.get(url);
    if (players?.delete(player) && players.size === 0) this.#players.delete(url);
  }

  /** A player whose window is full misses it. */
  send(url: string, payload: Uint8Array, now: number): void {
    const players = this.#players.get(url);
    if (players) for (const player of players) player.send(payload, now);
  }
}
