/** node-datachannel (libdatachannel), loaded when the first node with a WebRTC port starts: its threads begin with it. */

export type Library = typeof import('node-datachannel');

let loading: Promise<Library> | undefined;

/**
 * Its `cleanup()` is never called: at exit, with connections that were closed just before, it ends the process with a
 * signal (0.33.4), and without it the process ends as it should.
 */
export function loadLibrary(): Promise<Library> {
  loading ??= import('node-datachannel');
  return loading;
}
