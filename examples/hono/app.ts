/** A Hono application that knows nothing of Weir: `deno serve examples/hono/app.ts` runs it just as well. */
import { Hono } from "hono";
import { etag } from "hono/etag";

const books = new Map([["1", { id: "1", title: "Roadside Picnic" }]]);

const app = new Hono();

app.use(etag());

app.get("/books", (context) => context.json([...books.values()]));

app.get("/books/:id", (context) => {
  const book = books.get(context.req.param("id"));
  return book ? context.json(book) : context.notFound();
});

app.post("/books", async (context) => {
  const { title } = await context.req.json<{ title?: unknown }>().catch(() => ({ title: undefined }));
  if (typeof title !== "string" || title === "") return context.json({ error: "`title` is missing" }, 400);
  if (books.size >= 1000) return context.json({ error: "there is no room for more books" }, 507);
  const book = { id: String(books.size + 1), title };
  books.set(book.id, book);
  return context.json(book, 201);
});

app.notFound((context) => context.json({ error: `there is no ${context.req.path}` }, 404));

export default app;
