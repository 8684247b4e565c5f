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

/**
 * Closes once everything is sent, however long a peer needs that goes on taking it; one that takes nothing, and says nothing,
 * for `idleMs` is given up. What it says meanwhile is not listened to.
 */
export function closeWhenTaken(socket: Socket, idleMs: number): void {
  socket.pause();
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.end(() => {
    if (socket.destroyed) return;
    // Bytes that were never read would make a reset of the end (RFC 1122, 4.2.2.13), and what is on its way would be lost.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LAST_BYTES_MS);
    socket.once('close', () => clearTimeout(timer));
  });
}
