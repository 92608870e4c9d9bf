/* A plugin of QNTX in C with nothing of gRPC in it: HTTP/2 by nghttp2, messages by hand.
 * It does what small servers in the wild do, all of it allowed and all of it a trap:
 *
 *   - it accepts one connection at a time, and answers one call after the other;
 *   - it says where it listens among other lines, or late ("late"), or never ("mute");
 *   - what it does not know is answered OK, with an empty message;
 *   - its schema of configuration is no message, and what its jobs cost is no number;
 *   - as a client it sends no :authority.
 */
#include <arpa/inet.h>
#include <math.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_CHARS 64

/* -- Bytes that grow. -- */

typedef struct {
  uint8_t *at;
  size_t length;
} Bytes;

static void put(Bytes *bytes, const void *from, size_t length) {
  bytes->at = realloc(bytes->at, bytes->length + length + 1);
  memcpy(bytes->at + bytes->length, from, length);
  bytes->length += length;
  bytes->at[bytes->length] = 0; /* Texts can be read as such. */
}

static void clear(Bytes *bytes) {
  free(bytes->at);
  *bytes = (Bytes){0};
}

/* -- Messages by hand. -- */

static void put_number(Bytes *to, uint64_t value) {
  do {
    uint8_t byte = (value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    put(to, &byte, 1);
    value >>= 7;
  } while (value > 0);
}

static void put_integer(Bytes *to, int field, uint64_t value) {
  put_number(to, field << 3);
  put_number(to, value);
}

static void put_bytes(Bytes *to, int field, const void *from, size_t length) {
  put_number(to, field << 3 | 2);
  put_number(to, length);
  put(to, from, length);
}

static void put_text(Bytes *to, int field, const char *text) { put_bytes(to, field, text, strlen(text)); }

static void put_double(Bytes *to, int field, double value) {
  put_number(to, field << 3 | 1);
  put(to, &value, 8);
}

static uint64_t take_number(const uint8_t **at) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

/* The nth field of this number that has a length, or a number in `value`; 0 when there is none. */
static int find(const Bytes *in, int wanted, int nth, Bytes *found, uint64_t *value) {
  const uint8_t *at = in->at, *end = in->at + in->length;
  while (at < end) {
    uint64_t key = take_number(&at), length = 0;
    if ((key & 7) == 2) length = take_number(&at);
    else if ((key & 7) == 1) length = 8;
    else if ((key & 7) == 5) length = 4;
    else length = take_number(&at);
    int is = (int)(key >> 3) == wanted && nth-- == 0;
    if ((key & 7) == 0) {
      if (is && value) *value = length;
      if (is) return 1;
      continue;
    }
    if (is) {
      if (found) {
        clear(found);
        put(found, at, length);
      }
      return 1;
    }
    at += length;
  }
  return 0;
}

static char *text_of(const Bytes *in, int field) {
  Bytes found = {0};
  put(&found, "", 0);
  find(in, field, 0, &found, NULL);
  return (char *)found.at;
}

/* Five bytes before every message: not compressed, and its length. */
static void put_framed(Bytes *to, const Bytes *message) {
  uint8_t head[5] = {0, message->length >> 24, message->length >> 16, message->length >> 8, message->length};
  put(to, head, 5);
  if (message->length > 0) put(to, message->at, message->length);
}

/* -- What the host said. -- */

static char name[NAME_MAX_CHARS];
static char *ats_endpoint, *queue_endpoint, *schedule_endpoint, *token;
static char *place;
static int initialized;
static int over;

/* -- A client that sends no :authority, for one call. -- */

typedef struct {
  Bytes request, response;
  size_t sent;
  int closed;
} Asked;

static ssize_t read_asked(nghttp2_session *session, int32_t stream, uint8_t *to, size_t length, uint32_t *flags,
                          nghttp2_data_source *source, void *user) {
  Asked *asked = source->ptr;
  size_t left = asked->request.length - asked->sent;
  if (left < length) length = left;
  memcpy(to, asked->request.at + asked->sent, length);
  asked->sent += length;
  if (asked->sent == asked->request.length) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return length;
}

static int on_answer(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *from, size_t length,
                     void *user) {
  put(&((Asked *)user)->response, from, length);
  return 0;
}

static int on_answered(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
  ((Asked *)user)->closed = 1;
  return 0;
}

static int flush(nghttp2_session *session, int socket) {
  const uint8_t *from;
  ssize_t length;
  while ((length = nghttp2_session_mem_send(session, &from)) > 0)
    if (write(socket, from, length) != length) return -1;
  return length < 0 ? -1 : 0;
}

static int open_to(const char *endpoint) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(strchr(endpoint, ':') + 1))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int made = socket(AF_INET, SOCK_STREAM, 0);
  return connect(made, (struct sockaddr *)&to, sizeof to) == 0 ? made : -1;
}

#define HEADER(key, value) \
  { (uint8_t *)(key), (uint8_t *)(value), sizeof(key) - 1, strlen(value), 0 }

/* Asks the host. True, with its answer, unless that was no message. */
static int ask(const char *endpoint, const char *path, const Bytes *message, Bytes *answer) {
  Asked asked = {0};
  put_framed(&asked.request, message);
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_answer);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_answered);
  nghttp2_session *session;
  nghttp2_session_client_new(&session, callbacks, &asked);
  nghttp2_submit_settings(session, 0, NULL, 0);
  nghttp2_nv headers[] = {HEADER(":method", "POST"), HEADER(":scheme", "http"), HEADER(":path", path),
                          HEADER("content-type", "application/grpc"), HEADER("te", "trailers")};
  nghttp2_data_provider body = {.source = {.ptr = &asked}, .read_callback = read_asked};
  nghttp2_submit_request(session, NULL, headers, 5, &body, NULL);
  int socket = open_to(endpoint);
  uint8_t buffer[16384];
  while (socket >= 0 && !asked.closed && flush(session, socket) == 0) {
    ssize_t length = read(socket, buffer, sizeof buffer);
    if (length <= 0 || nghttp2_session_mem_recv(session, buffer, length) < 0) break;
  }
  close(socket);
  nghttp2_session_del(session);
  nghttp2_session_callbacks_del(callbacks);
  int is_answered = asked.response.length >= 5;
  if (is_answered) put(answer, asked.response.at + 5, asked.response.length - 5);
  clear(&asked.request);
  clear(&asked.response);
  return is_answered;
}

/* -- What it answers. -- */

static void say_whether(Bytes *out, int did, const Bytes *answer) {
  uint64_t success = 0;
  if (did) find(answer, 1, 0, NULL, &success);
  put_integer(out, 1, success);
  char *error = text_of(answer, 2);
  put_text(out, 2, did ? error : "the host did not answer");
  free(error);
}

/* Jobs that ask the host for something: what it made is the result. */
static void call_back(Bytes *out, const char *what, const Bytes *payload) {
  Bytes request = {0}, inner = {0}, answer = {0};
  int did;
  put_text(&request, 1, token);
  if (strcmp(what, "attest") == 0) {
    put_text(&inner, 1, (char *)payload->at);
    put_text(&inner, 2, "was seen by");
    put_text(&inner, 3, name);
    put_bytes(&request, 2, inner.at, inner.length);
    did = ask(ats_endpoint, "/protocol.ATSStoreService/GenerateAndCreateAttestation", &request, &answer);
  } else if (strcmp(what, "enqueue") == 0) {
    char handler[NAME_MAX_CHARS * 2];
    snprintf(handler, sizeof handler, "%s.echo", name);
    put_text(&inner, 2, handler);
    put_bytes(&inner, 3, payload->at, payload->length);
    put_bytes(&request, 2, inner.at, inner.length);
    did = ask(queue_endpoint, "/protocol.QueueService/Enqueue", &request, &answer);
  } else {
    char handler[NAME_MAX_CHARS * 2];
    snprintf(handler, sizeof handler, "%s.echo", name);
    put_text(&request, 2, handler);
    put_integer(&request, 3, 3600);
    put_bytes(&request, 4, payload->at, payload->length);
    did = ask(schedule_endpoint, "/protocol.ScheduleService/CreateSchedule", &request, &answer);
  }
  say_whether(out, did, &answer);
  char *made = did ? text_of(&answer, 3) : strdup("");
  Bytes result = {0};
  put(&result, "\"", 1);
  if (strcmp(what, "attest") != 0) put(&result, made, strlen(made));
  put(&result, "\"", 1);
  put_bytes(out, 3, result.at, result.length);
  free(made);
  clear(&result);
  clear(&request);
  clear(&inner);
  clear(&answer);
}

static void run_job(const Bytes *in, Bytes *out) {
  char *handler = text_of(in, 2);
  const char *what = strchr(handler, '.') + 1;
  Bytes payload = {0};
  put(&payload, "", 0);
  find(in, 3, 0, &payload, NULL);
  if (strcmp(what, "echo") == 0 || strcmp(what, "seen") == 0) {
    put_integer(out, 1, 1);
    put_bytes(out, 3, payload.at, payload.length);
  } else if (strcmp(what, "told") == 0) {
    char told[256];
    int length = snprintf(told, sizeof told, "{\"initialized\":%d,\"place\":\"%s\"}", initialized, place);
    put_integer(out, 1, 1);
    put_bytes(out, 3, told, length);
  } else {
    call_back(out, what, &payload);
  }
  put_double(out, 6, NAN);
  free(handler);
  clear(&payload);
}

static void initialize(const Bytes *in, Bytes *out) {
  initialized++;
  ats_endpoint = text_of(in, 1);
  queue_endpoint = text_of(in, 2);
  token = text_of(in, 3);
  schedule_endpoint = text_of(in, 5);
  place = strdup("");
  Bytes entry = {0};
  for (int nth = 0; find(in, 4, nth, &entry, NULL); nth++) {
    char *key = text_of(&entry, 1);
    if (strcmp(key, "place") == 0) place = text_of(&entry, 2);
    free(key);
  }
  const char *handlers[] = {"echo", "seen", "told", "attest", "enqueue", "schedule"};
  char handler[NAME_MAX_CHARS * 2];
  for (size_t index = 0; index < sizeof handlers / sizeof *handlers; index++) {
    snprintf(handler, sizeof handler, "%s.%s", name, handlers[index]);
    put_text(out, 1, handler);
  }
  Bytes watcher = {0};
  snprintf(handler, sizeof handler, "%s.seen", name);
  put_text(&watcher, 1, "sightings");
  put_text(&watcher, 2, handler);
  put_text(&watcher, 3, name); /* Statements about itself. */
  put_bytes(out, 4, watcher.at, watcher.length);
  clear(&watcher);
}

static void serve_http(const Bytes *in, Bytes *out) {
  char *method = text_of(in, 1), *path = text_of(in, 2), *body = text_of(in, 4);
  Bytes said = {0};
  put(&said, method, strlen(method));
  put(&said, " ", 1);
  put(&said, path, strlen(path));
  put(&said, " ", 1);
  put(&said, body, strlen(body));
  put_integer(out, 1, 201);
  put_bytes(out, 3, said.at, said.length);
  clear(&said);
  free(method), free(path), free(body);
}

static void answer(const char *method, const Bytes *in, Bytes *out) {
  if (strcmp(method, "Metadata") == 0) {
    put_text(out, 1, name);
    put_text(out, 2, "0.0.7");
  } else if (strcmp(method, "Initialize") == 0) {
    initialize(in, out);
  } else if (strcmp(method, "Health") == 0) {
    put_integer(out, 1, 1);
  } else if (strcmp(method, "ExecuteJob") == 0) {
    run_job(in, out);
  } else if (strcmp(method, "HandleHTTP") == 0) {
    serve_http(in, out);
  } else if (strcmp(method, "ConfigSchema") == 0) {
    put(out, "\xff\xff\xff", 3);
  } else if (strcmp(method, "Shutdown") == 0) {
    over = 1;
  }
}

/* A frame of a WebSocket: what was sent comes back, and a PING as PONG. 0 ends it. */
static int answer_frame(const Bytes *in, Bytes *out) {
  uint64_t type = 0, at = 0;
  Bytes data = {0};
  put(&data, "", 0);
  find(in, 1, 0, NULL, &type);
  find(in, 2, 0, &data, NULL);
  find(in, 4, 0, NULL, &at);
  Bytes message = {0};
  if (type == 3) {
    put_integer(&message, 1, 4);
    put_integer(&message, 4, at);
  } else if (type == 1) {
    put_integer(&message, 1, 1);
    put_bytes(&message, 2, data.at, data.length);
  }
  if (message.length > 0) put_framed(out, &message);
  clear(&message);
  clear(&data);
  return type != 2;
}

/* -- A server that answers one call after the other. -- */

typedef struct Call {
  int32_t stream;
  char method[64];
  Bytes in, out;
  size_t sent;
  int streams, responded, ended;
  struct Call *next;
} Call;

static Call *calls;

static Call *call_of(int32_t stream) {
  for (Call *call = calls; call; call = call->next)
    if (call->stream == stream) return call;
  return NULL;
}

static ssize_t read_call(nghttp2_session *session, int32_t stream, uint8_t *to, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  Call *call = source->ptr;
  size_t left = call->out.length - call->sent;
  if (left == 0 && !call->ended) return NGHTTP2_ERR_DEFERRED;
  if (left < length) length = left;
  if (length > 0) memcpy(to, call->out.at + call->sent, length);
  call->sent += length;
  if (call->sent == call->out.length && call->ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_nv status = HEADER("grpc-status", "0");
    nghttp2_submit_trailer(session, stream, &status, 1);
  }
  return length;
}

static void respond(nghttp2_session *session, Call *call) {
  nghttp2_nv headers[] = {HEADER(":status", "200"), HEADER("content-type", "application/grpc")};
  nghttp2_data_provider body = {.source = {.ptr = call}, .read_callback = read_call};
  if (call->responded) nghttp2_session_resume_data(session, call->stream);
  else nghttp2_submit_response(session, call->stream, headers, 2, &body);
  call->responded = 1;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS || call_of(frame->hd.stream_id)) return 0;
  Call *call = calloc(1, sizeof *call);
  call->stream = frame->hd.stream_id;
  call->next = calls;
  calls = call;
  return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *key, size_t key_length,
                     const uint8_t *value, size_t length, uint8_t flags, void *user) {
  Call *call = call_of(frame->hd.stream_id);
  if (!call || key_length != 5 || memcmp(key, ":path", 5) != 0) return 0;
  const char *method = strrchr((const char *)value, '/') + 1;
  snprintf(call->method, sizeof call->method, "%s", method);
  call->streams = strcmp(method, "HandleWebSocket") == 0;
  return 0;
}

/* The next whole message that came, if there is one. */
static int take_message(Bytes *in, Bytes *message) {
  if (in->length < 5) return 0;
  size_t length = (size_t)in->at[1] << 24 | in->at[2] << 16 | in->at[3] << 8 | in->at[4];
  if (in->length < 5 + length) return 0;
  put(message, in->at + 5, length);
  memmove(in->at, in->at + 5 + length, in->length - 5 - length);
  in->length -= 5 + length;
  return 1;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *from, size_t length,
                   void *user) {
  Call *call = call_of(stream);
  if (!call) return 0;
  put(&call->in, from, length);
  if (!call->streams) return 0;
  Bytes message = {0};
  while (!call->ended && take_message(&call->in, &message)) {
    if (!answer_frame(&message, &call->out)) call->ended = 1;
    clear(&message);
  }
  respond(session, call);
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  Call *call = frame->hd.stream_id ? call_of(frame->hd.stream_id) : NULL;
  if (!call || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || call->ended) return 0;
  if (!call->streams) {
    Bytes message = {0}, made = {0};
    take_message(&call->in, &message);
    answer(call->method, &message, &made);
    put_framed(&call->out, &made);
    clear(&message);
    clear(&made);
  }
  call->ended = 1;
  respond(session, call);
  return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user) {
  for (Call **at = &calls; *at; at = &(*at)->next) {
    if ((*at)->stream != stream) continue;
    Call *call = *at;
    *at = call->next;
    clear(&call->in);
    clear(&call->out);
    free(call);
    return 0;
  }
  return 0;
}

static void serve(int socket) {
  nghttp2_session_callbacks *callbacks;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_session *session;
  nghttp2_session_server_new(&session, callbacks, NULL);
  nghttp2_submit_settings(session, 0, NULL, 0);
  uint8_t buffer[16384];
  while (flush(session, socket) == 0 && !over) {
    ssize_t length = read(socket, buffer, sizeof buffer);
    if (length <= 0 || nghttp2_session_mem_recv(session, buffer, length) < 0) break;
  }
  nghttp2_session_del(session);
  nghttp2_session_callbacks_del(callbacks);
  close(socket);
}

static void nap(long seconds) {
  struct timespec time = {.tv_sec = seconds};
  nanosleep(&time, NULL);
}

int main(int count, char **words) {
  snprintf(name, sizeof name, "%s", strrchr(words[0], '/') ? strrchr(words[0], '/') + 1 : words[0]);
  int port = 0, is_mute = strcmp(name, "mute") == 0, is_late = strcmp(name, "late") == 0;
  for (int at = 1; at + 1 < count; at++)
    if (strcmp(words[at], "--port") == 0) port = atoi(words[at + 1]);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(is_mute || is_late ? port : 0)};
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int door = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
  setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  socklen_t length = sizeof here;
  if (bind(door, (struct sockaddr *)&here, sizeof here) != 0 || listen(door, 0) != 0) return 1;
  getsockname(door, (struct sockaddr *)&here, &length);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("starting\nQNTX_PLUGIN_PORT is said below\n");
  if (is_late && fork() == 0) {
    nap(3);
    printf("QNTX_PLUGIN_PORT=%d\n", port);
    return 0;
  }
  if (!is_mute && !is_late) printf("QNTX_PLUGIN_PORT=%d\n", ntohs(here.sin_port));
  while (!over) {
    int client = accept(door, NULL, NULL);
    if (client >= 0) serve(client);
  }
  return 0;
}
