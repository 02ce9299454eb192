import { openPassageReader, type SearchData } from './open-passage-reader.ts';
import { serveThread } from './serve-thread.ts';

// Anyone who starts this thread sends it indexes of this kind.
serveThread((data) => openPassageReader(data as SearchData));
