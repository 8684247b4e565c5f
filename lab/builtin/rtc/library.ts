/** node-datachannel (libdatachannel), loaded when the first node with a WebRTC port starts: its threads begin with it. */

export type Library = typeof import('node-datachannel');

let loading: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  loading ??= import('node-datachannel').then((library) => {
    // Joins its threads, which would outlive what they call back.
    process.once('exit', () => library.cleanup());
    return library;
  });
  return loading;
}
