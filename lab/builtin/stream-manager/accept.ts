/**
 * Sockets of a server as `net.Server` makes them, but cheaper. `net.Socket` puts properties into a copy of its options. V8
 * of Node 20 makes hidden classes for each copy that gets properties which the original has not got: 1.6 kB per connection
 * that only a collection of the whole heap finds, and a fifth of the CPU. `net.Server` gives options without them.
 */
import net, { type Server, type Socket, type SocketConstructorOpts } from 'node:net';

/** What Node has behind a server that listens (lib/net.js of Node 20); not in its documentation. */
interface Internals {
  readonly _handle: { onconnection?: (error: number, client?: object) => void } | null;
  _connections: number;
}

interface Accepted {
  server: Server;
  _server: Server;
}

/** Every property that Node's constructor sets, and those that `net.Server` gives. */
interface Options extends SocketConstructorOpts {
  readonly handle: object;
  readonly emitClose: false;
  readonly autoDestroy: true;
  readonly decodeStrings: false;
}

/**
 * From now on; where Node has not got what this needs, its own way stays.
 * @param server that listens, for half-open connections, without options for its sockets
 */
export function acceptCheaply(server: Server): void {
  const internals = server as unknown as Internals;
  const listening = internals._handle;
  const accept = listening?.onconnection;
  if (listening === null || accept === undefined) return;
  listening.onconnection = (error, client) => {
    if (error !== 0 || client === undefined || internals._connections >= server.maxConnections) {
      accept.call(listening, error, client);
      return;
    }
    const options: Options = {
      handle: client,
      allowHalfOpen: true,
      readable: true,
      writable: true,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    };
    const socket = new net.Socket(options) as Socket & Accepted;
    internals._connections++;
    socket.server = server;
    socket._server = server;
    server.emit('connection', socket);
  };
}
