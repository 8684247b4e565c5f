/** How the memory of a process of many players is managed. */

/**
 * `node:dgram` allocates a buffer for each datagram. They die young, but with V8's own 16 MB for young objects so many of them
 * wait for their end that V8 takes the process for one that grows, and marks all of its heap several times a second: a
 * tenth of the CPU time of a thousand SRT players. With 4 MB they are gone before that. Seen before datagrams came in
 * batches (drivers/udp), which need no such buffers; whether it still matters there was not looked into.
 */
export const PLAYERS_NODE_ARGS: readonly string[] = ['--max-semi-space-size=4'];
