/** node-datachannel (libdatachannel), loaded when the first client needs it: its threads begin with it. */

export type Library = typeof import('node-datachannel');

let loading: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  loading ??= import('node-datachannel').then((library) => {
    // Joins its threads; what is still open is closed by then.
    process.once('exit', () => library.cleanup());
    return library;
  });
  return loading;
}
