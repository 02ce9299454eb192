/** What the tools take. Their descriptions are what a model reads. */
import { z } from 'zod';
import { limits } from '../limits.ts';

const page = z.int().min(1).max(100);
const count = z.int().min(1).max(100);

export const websearchInput = z.strictObject({
  query: z.string().min(1).describe('What to search for.'),
  k: count.default(limits.defaultTopK).describe('How many results, 1 to 100.'),
});

const part = z.int().min(0).max(0xffff_ffff).default(0);

export const scrapeInput = z.strictObject({
  id: z.string().min(1).optional().describe('Id of a document, from websearch.'),
  url: z.string().min(1).optional().describe('Link of a document, from google_search; give either id or url.'),
  part: part.describe('Which part of a long document, from 0.'),
  includeMarkdown: z.boolean().default(false).describe('Whether the answer also carries the text as Markdown.'),
});

/** Serper's. An unchanging corpus has no country, language or date, so those are taken and have no effect. */
const google = z.looseObject({
  q: z.string().min(1).describe('What to search for.'),
  gl: z.string().describe("Country code, for example 'us'; has no effect here."),
  hl: z.string().describe("Language code, for example 'en'; has no effect here."),
  num: count.default(limits.defaultTopK).describe('How many results, 1 to 100.'),
  page: page.default(1).describe('Which page of results, from 1.'),
  location: z.string().optional().describe('Has no effect here.'),
  tbs: z.string().optional().describe('Time filter; has no effect here.'),
  autocorrect: z.boolean().optional().describe('Has no effect here.'),
});
const googleLenient = google.extend({ gl: z.string().optional(), hl: z.string().optional() });

/** Published as Serper's server does, with `gl` and `hl` required; a call without them is answered all the same. */
export const googleSearchInput = {
  '~standard': { ...googleLenient['~standard'], jsonSchema: google['~standard'].jsonSchema },
};
