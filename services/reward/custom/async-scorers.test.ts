import { expect, onTestFinished, test } from 'vitest';
import { startRewardUnderTest } from '../service-under-test.ts';
import { itemFor, scorerFolder } from './scorers-under-test.ts';

const connection = `import asyncio
reader = writer = None

async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)

async def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    global reader, writer
    if writer is None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"ping\\n")
    return float(await reader.readline() == b"ping\\n")
`;

const lock = `import asyncio
lock = asyncio.Lock()

async def compute_score(**_):
    async with lock:
        await asyncio.sleep(0)
        return 1.0
`;

const background = `import asyncio
task = None

async def count(done):
    done.set_result(1.0)

async def compute_score(**_):
    global task
    if task is None:
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, lambda: asyncio.ensure_future(count(done)))
        task = done
        return 1.0
    return await task
`;

const ownLoop = `import asyncio

async def score():
    return 1.0

def compute_score(**_):
    return asyncio.run(score())
`;

const coroutineOfAFunction = `import asyncio

async def score():
    await asyncio.sleep(0)
    return 1.0

def compute_score(**_):
    return score()
`;

test.each([
  ['keeps one connection in its module', connection],
  ['has a lock in its module', lock],
  ['awaits in one call what an earlier one began', background],
  ['runs a loop of its own', ownLoop],
  ['gives a coroutine without being one', coroutineOfAFunction],
])('a Python scorer that %s scores every rollout of its process', async (_what, text) => {
  const folder = scorerFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.write('own.py', text);
  await using service = await startRewardUnderTest({}, { scorers: { own: { kind: 'python', path, processes: 1 } } });
  for (let call = 0; call < 3; call += 1) {
    const { scores } = await service.reward.score({ items: [itemFor('own', 'Paris'), itemFor('own', 'Rome')] });
    for (const { components, absent, threw } of scores)
      expect({ components, absent, threw }).toMatchObject({ components: { own: 1 }, absent: {}, threw: {} });
  }
});
