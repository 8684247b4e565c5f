/** RST, in a way that Node carries out. */
import type { Socket } from 'node:net';

/**
 * Sends RST and destroys the socket. While the FIN of an `end()` is under way libuv refuses to reset (EINVAL,
 * uv_tcp_close_reset), and Node 20 then never closes the handle: no `close` event comes, and the process spins at its
 * end (node::Environment::CleanupHandles). The FIN is out after the next poll.
 */
export function resetSocket(socket: Socket): void {
  // A reset of a socket that is still connecting would wait for the connection.
  if (socket.connecting) socket.destroy();
  else if (socket.writableEnded && !socket.writableFinished) setImmediate(() => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
