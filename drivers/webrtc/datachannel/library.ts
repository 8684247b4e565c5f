/** node-datachannel (libdatachannel), loaded when the first client needs it: its threads begin with it. */

export type Library = typeof import('node-datachannel');

let loading: Promise<Library> | undefined;

/**
 * Its `cleanup()` is never called: at exit, with connections that were closed just before, it aborts the process
 * (0.33.4), and without it the process ends as it should once all are closed.
 */
export function loadLibrary(): Promise<Library> {
  loading ??= import('node-datachannel');
  return loading;
}
