import type { Socket } from 'node:net';

/** A peer that does not take the last bytes is given up after this long, in ms. */
const LAST_BYTES_MS = 1000;

/** Closes once everything is sent; after `withinMs` in any case. */
export function closeSoon(socket: Socket, withinMs = LAST_BYTES_MS): void {
  socket.destroySoon();
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), withinMs);
  socket.once('close', () => clearTimeout(timer));
}
