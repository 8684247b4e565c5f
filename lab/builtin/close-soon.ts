import type { Socket } from 'node:net';

/** A peer that does not take the last bytes is given up after this long, in ms. */
const LAST_BYTES_MS = 1000;

/** Closes once everything is sent; in the end in any case. */
export function closeSoon(socket: Socket): void {
  socket.destroySoon();
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LAST_BYTES_MS);
  socket.once('close', () => clearTimeout(timer));
}
