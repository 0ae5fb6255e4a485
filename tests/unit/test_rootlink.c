#include "core/rootlink.h"

#include "wire_up.h"

static struct ov_root_info *info(const struct wu_node *n, size_t i)
{
    static struct ov_root_info list[OV_ROOTS_MAX];

    assert_true(ov_node_roots(n->n, list, OV_ROOTS_MAX) > i);
    return &list[i];
}

static bool udp_blocked(void *arg, struct wu_packet *p)
{
    (void)arg;
    return p->stream != NULL;
}

static bool from_node_0_only(void *arg, struct wu_packet *p) /* and all streams */
{
    struct wu *w = arg;
    return p->stream || p->src == w->node[0];
}

static void up(struct wu_node *n, const char *host, const struct wu_stream *s)
{
    assert_int_equal(ov_node_link_up(n->n, host, &s->ep[0], n->w->now), OV_OK);
    wu_drain(n);
}

static void down(struct wu_stream *s)
{
    s->closed = true;
    for (int i = 0; i < 2; i++) {
        ov_node_link_down(s->end[i]->n, &s->ep[i], s->end[i]->w->now);
        wu_drain(s->end[i]);
    }
}

static const struct ov_path *way(const struct wu_node *n, const struct wu_node *other)
{
    const struct ov_peer *p = wu_peer(n, other);
    return p && p->paths && p->paths->active >= 0 ? &p->paths->p[p->paths->active] : NULL;
}

static bool by_stream(const struct wu_node *n, const struct wu_node *other,
                      const struct ov_endpoint *ep)
{
    const struct ov_path *p = way(n, other);
    return p && ov_path_is_link(p) && ov_endpoint_equal(&p->remote, ep);
}

static bool by_udp(const struct wu_node *n, const struct wu_node *other)
{
    const struct ov_path *p = way(n, other);
    return p && !ov_path_is_link(p);
}

static void add(struct wu_node *n, const struct wu_node *root)
{
    assert_int_equal(ov_node_add_root(n->n, "root", NULL, &root->ep, 1, n->w->now), OV_OK);
    wu_drain(n);
}

/* A node and its root, with no UDP between them. */
struct linked {
    struct wu *w;
    struct wu_node *root, *n;
    struct wu_stream *s;
};

static struct linked apart(uint64_t seed)
{
    struct linked l = {.w = wu_new(seed)};

    l.root = wu_node(l.w, OV_CAP_ROOT);
    l.n = wu_node(l.w, 0);
    l.w->hook = udp_blocked;
    return l;
}

/* They know each other, and a stream is in use. */
static struct linked link_up(uint64_t seed)
{
    struct linked l = apart(seed);

    add(l.n, l.root);
    wu_run(l.w, 2 * OV_SEC);
    l.s = wu_stream(l.n, l.root);
    up(l.n, "root", l.s);
    wu_run(l.w, 2 * OV_SEC);
    assert_true(by_stream(l.n, l.root, &l.s->ep[0]));
    return l;
}

/* First contact by a stream: wanted after 1.5 s of silence, the identity is learned through it. */
static void test_first_contact(void **state)
{
    struct linked l = apart(1);

    (void)state;
    add(l.n, l.root);
    wu_run(l.w, 1400 * OV_MS);
    assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_UNWANTED);
    assert_int_equal(l.n->events[OV_EVENT_LINK], 0);
    wu_run(l.w, 200 * OV_MS);
    assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_WANTED);
    assert_int_equal(l.n->events[OV_EVENT_LINK], 1);
    struct wu_stream *a = wu_stream(l.n, l.root), *b = wu_stream(l.n, l.root);
    up(l.n, "root", a);
    up(l.n, "root", b);
    wu_run(l.w, OV_SEC);
    assert_true(info(l.n, 0)->online && info(l.n, 0)->is_root);
    assert_int_equal(info(l.n, 0)->addr, l.root->addr);
    bool first = by_stream(l.n, l.root, &a->ep[0]);
    struct wu_stream *used = first ? a : b, *other = first ? b : a;
    assert_true(by_stream(l.n, l.root, &used->ep[0]));
    assert_true(ov_endpoint_equal(&info(l.n, 0)->link, &used->ep[0]));
    assert_true(by_stream(l.root, l.n, &used->ep[1]));
    down(other); /* what the edge does */
    wu_run(l.w, 60 * OV_SEC);
    assert_true(info(l.n, 0)->online);
    assert_true(by_stream(l.n, l.root, &used->ep[0]));
    assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_WANTED);
    /* The TCP endpoint is nobody's candidate, and is not remembered as one. */
    assert_int_equal(info(l.n, 0)->seen.ip.family, 0);
    assert_int_equal(wu_peer(l.n, l.root)->nhints, 1);
    assert_int_equal(wu_peer(l.root, l.n)->nhints, 0);
    wu_free(l.w);
}

/* The server was known by two names, and one of them goes, with the stream that is in use: what the
 * server still sends by that one does not bring it back. */
static void test_one_name_goes(void **state)
{
    struct linked l = apart(9);

    (void)state;
    add(l.n, l.root);
    assert_int_equal(ov_node_add_root(l.n->n, "again", NULL, &l.root->ep, 1, l.n->w->now), OV_OK);
    wu_run(l.w, 1600 * OV_MS);
    struct wu_stream *a = wu_stream(l.n, l.root), *b = wu_stream(l.n, l.root);
    up(l.n, "root", a);
    up(l.n, "again", b);
    wu_run(l.w, OV_SEC);
    bool first = by_stream(l.n, l.root, &a->ep[0]);
    struct wu_stream *used = first ? a : b, *other = first ? b : a;
    assert_true(by_stream(l.n, l.root, &used->ep[0]));
    unsigned events = l.n->events[OV_EVENT_LINK];
    ov_node_remove_root(l.n->n, first ? "root" : "again", l.w->now);
    wu_drain(l.n);
    assert_true(l.n->events[OV_EVENT_LINK] > events); /* the edge is told to look */
    for (int i = 0; i < 20; i++) {
        struct ov_peer *p = wu_peer(l.root, l.n);
        for (int k = 0; k < OV_PATHS_MAX; k++) /* the server asks by all that it has */
            if (p->paths->p[k].state != OV_PATH_FREE)
                ov_peer_probe(p, k, 0, 0);
        wu_drain(l.root);
        wu_run(l.w, 100 * OV_MS);
        assert_int_equal(ov_paths_find(wu_peer(l.n, l.root)->paths, OV_SOCKET_LINK, &used->ep[0]),
                         -1);
    }
    assert_true(by_stream(l.n, l.root, &other->ep[0]));
    down(used);
    wu_run(l.w, OV_SEC);
    assert_true(by_stream(l.n, l.root, &other->ep[0]));
    assert_true(by_stream(l.root, l.n, &other->ep[1]));
    wu_free(l.w);
}

static void test_unknown_host(void **state)
{
    struct wu *w = wu_new(2);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    struct ov_endpoint ep = wu_endpoint(9, 443), none = {0};

    (void)state;
    add(n, root);
    assert_int_equal(ov_node_link_up(n->n, "nobody", &ep, w->now), OV_ENOENT);
    assert_int_equal(ov_node_link_up(n->n, "", &ep, w->now), OV_ENOENT);
    assert_int_equal(ov_node_link_up(n->n, "root", &none, w->now), OV_EFULL);
    w->hook = udp_blocked;
    struct wu_stream *s = wu_stream(n, root);
    for (uint32_t i = 0; i < OV_LINKS_MAX; i++) {
        ep = s->ep[0];
        n->e->links[i] = (struct ov_rootlink){.ep = ep, .owner = 1};
    }
    assert_int_equal(ov_node_link_up(n->n, "root", &s->ep[0], w->now), OV_EFULL);
    memset(n->e->links, 0, sizeof n->e->links);
    ov_node_link_down(n->n, &ep, w->now); /* never heard of */
    wu_free(w);
}

/* A stream carries what is relayed, for one side or both; UDP is taken back, and streams dropped
 * after half a minute of it. */
static void test_relay_and_back(void **state)
{
    struct wu *w = wu_lan(3, 2);
    struct wu_node *root = w->node[0], *a = w->node[1], *b = w->node[2];

    (void)state;
    w->hook = udp_blocked;
    wu_run(w, 30 * OV_SEC); /* a keepalive is not answered */
    struct wu_stream *s[2];
    for (int i = 0; i < 2; i++) {
        struct wu_node *n = w->node[i + 1];
        assert_int_equal(info(n, 0)->link_state, OV_ROOTLINK_WANTED);
        assert_false(info(n, 0)->online);
        s[i] = wu_stream(n, root);
        up(n, info(n, 0)->host, s[i]);
    }
    wu_run(w, 3 * OV_SEC);
    for (int i = 0; i < 2; i++) {
        assert_true(by_stream(w->node[i + 1], root, &s[i]->ep[0]));
        assert_true(by_stream(root, w->node[i + 1], &s[i]->ep[1]));
    }
    uint8_t frame[128];
    struct ov_mac from = wu_mac(a), to = wu_mac(b);
    struct ov_ip ipa = wu_ip(a), ipb = wu_ip(b);
    unsigned before = b->frames;
    wu_frame(a, frame, wu_ip4(frame, &to, &from, &ipa, &ipb, 20));
    wu_run(w, 2 * OV_SEC);
    assert_true(b->frames > before);
    assert_null(way(a, b)); /* relayed; and no stream is ever a path between members */
    for (int i = 0; wu_peer(a, b)->paths && i < OV_PATHS_MAX; i++)
        assert_false(ov_path_is_link(&wu_peer(a, b)->paths->p[i]) &&
                     wu_peer(a, b)->paths->p[i].state != OV_PATH_FREE);

    w->hook = NULL;
    wu_run(w, 12 * OV_SEC);
    for (int i = 0; i < 2; i++) {
        assert_true(by_udp(w->node[i + 1], root));
        assert_int_equal(info(w->node[i + 1], 0)->link_state, OV_ROOTLINK_KEPT);
        assert_true(info(w->node[i + 1], 0)->link.ip.family == 0);
    }
    wu_run(w, 31 * OV_SEC);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(info(w->node[i + 1], 0)->link_state, OV_ROOTLINK_UNWANTED);
        down(s[i]);
        assert_true(by_udp(root, w->node[i + 1]));
        assert_true(info(w->node[i + 1], 0)->online);
    }
    wu_free(w);
}

/* UDP is back for a moment only: the stream, still there, goes on. */
static void test_flapping(void **state)
{
    struct linked l = link_up(4);

    (void)state;
    for (int i = 0; i < 3; i++) {
        l.w->hook = NULL;
        wu_run(l.w, 14 * OV_SEC);
        assert_true(by_udp(l.n, l.root));
        l.w->hook = udp_blocked;
        wu_run(l.w, 26 * OV_SEC);
        assert_true(by_stream(l.n, l.root, &l.s->ep[0]));
        assert_true(info(l.n, 0)->online);
        assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_WANTED);
    }
    /* One direction of UDP is not enough. */
    l.w->hook = from_node_0_only;
    l.w->hook_arg = l.w;
    wu_run(l.w, 60 * OV_SEC);
    assert_true(by_stream(l.n, l.root, &l.s->ep[0]));
    assert_true(by_stream(l.root, l.n, &l.s->ep[1]));
    wu_free(l.w);
}

/* The stream breaks: another is wanted, and everything goes on by it. */
static void test_breaks(void **state)
{
    struct linked l = link_up(5);

    (void)state;
    unsigned events = l.n->events[OV_EVENT_LINK];
    down(l.s);
    assert_true(l.n->events[OV_EVENT_LINK] > events);
    assert_false(info(l.n, 0)->online);
    assert_int_equal(info(l.n, 0)->link.ip.family, 0);
    assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_WANTED);
    l.s = wu_stream(l.n, l.root);
    up(l.n, "root", l.s);
    wu_run(l.w, OV_SEC);
    assert_true(by_stream(l.n, l.root, &l.s->ep[0]));
    assert_true(info(l.n, 0)->online);
    /* The root forgets all it knew. */
    wu_crash(l.root);
    wu_restart(l.root);
    down(l.s);
    l.s = wu_stream(l.n, l.root);
    up(l.n, "root", l.s);
    wu_run(l.w, 2 * OV_SEC);
    assert_true(info(l.n, 0)->online && by_stream(l.root, l.n, &l.s->ep[1]));
    ov_node_remove_root(l.n->n, "root", l.w->now);
    wu_drain(l.n);
    assert_null(way(l.n, l.root));
    for (int i = 0; i < OV_LINKS_MAX; i++)
        assert_int_equal(l.n->e->links[i].ep.ip.family, 0);
    wu_free(l.w);
}

/* While one root is there by UDP, the silence of another is its own affair. */
static void test_one_root_is_enough(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    struct ov_endpoint nowhere = wu_endpoint(200, 4793);

    (void)state;
    add(n, root);
    assert_int_equal(ov_node_add_root(n->n, "nowhere", NULL, &nowhere, 1, w->now), OV_OK);
    wu_drain(n);
    wu_run(w, 60 * OV_SEC);
    assert_int_equal(n->events[OV_EVENT_LINK], 0);
    wu_crash(root);
    wu_run(w, 30 * OV_SEC);
    assert_int_equal(info(n, 0)->link_state, OV_ROOTLINK_WANTED);
    assert_int_equal(info(n, 1)->link_state, OV_ROOTLINK_WANTED);
    wu_restart(root);
    wu_run(w, 60 * OV_SEC);
    assert_int_equal(info(n, 0)->link_state, OV_ROOTLINK_UNWANTED);
    assert_int_equal(info(n, 1)->link_state, OV_ROOTLINK_UNWANTED);
    wu_free(w);
}

/* A root of which only the name is known, as behind a proxy. */
static void test_no_address(void **state)
{
    struct linked l = apart(7);

    (void)state;
    assert_int_equal(ov_node_add_root(l.n->n, "root", NULL, NULL, 0, l.w->now), OV_OK);
    wu_drain(l.n);
    wu_run(l.w, 2 * OV_SEC);
    assert_int_equal(info(l.n, 0)->link_state, OV_ROOTLINK_WANTED);
    struct wu_stream *s = wu_stream(l.n, l.root);
    up(l.n, "root", s);
    wu_run(l.w, OV_SEC);
    assert_true(info(l.n, 0)->online);
    wu_run(l.w, 100 * OV_SEC);
    assert_true(by_stream(l.n, l.root, &s->ep[0]));
    wu_free(l.w);
}

static bool knows(const struct wu_node *root, const struct wu_node *n, const struct wu_stream *s)
{
    return ov_paths_find(wu_peer(root, n)->paths, OV_SOCKET_LINK, &s->ep[1]) >= 0;
}

static bool is_proven(void *arg)
{
    const struct linked *l = arg;
    return l->root->last[OV_EVENT_LINK_PROVEN].id == l->w->nstreams;
}

/* One node makes stream after stream to its root, and closes none: the root keeps the newest. */
static void test_streams_of_one_node(void **state)
{
    struct linked l = link_up(12);
    struct wu_stream *v[OV_SERVED_PEER_MAX + 3] = {l.s};

    (void)state;
    assert_int_equal(l.root->events[OV_EVENT_LINK_PROVEN], 1);
    assert_int_equal(l.root->last[OV_EVENT_LINK_PROVEN].id, l.s->ep[1].scope);
    assert_int_equal(l.root->last[OV_EVENT_LINK_PROVEN].addr, l.n->addr);
    for (unsigned i = 1; i < OV_SERVED_PEER_MAX + 3; i++) {
        wu_run(l.w, 2 * OV_SEC); /* new places of one peer are not challenged too often */
        v[i] = wu_stream(l.n, l.root);
        up(l.n, "root", v[i]);
        assert_true(wu_until(l.w, is_proven, &l, 5 * OV_SEC));
        unsigned closed = i < OV_SERVED_PEER_MAX ? 0 : i - OV_SERVED_PEER_MAX + 1;
        assert_int_equal(l.root->events[OV_EVENT_LINK_CLOSE], closed);
        if (!closed)
            continue;
        assert_int_equal(l.root->last[OV_EVENT_LINK_CLOSE].id, v[closed - 1]->ep[1].scope);
        assert_false(knows(l.root, l.n, v[closed - 1]));
        down(v[closed - 1]); /* what the edge does */
    }
    wu_run(l.w, OV_SEC);
    assert_true(info(l.n, 0)->online);
    assert_int_equal(l.root->e->served.len, OV_SERVED_PEER_MAX);
    for (unsigned i = 3; i < OV_SERVED_PEER_MAX + 3; i++)
        down(v[i]);
    assert_int_equal(l.root->e->served.len, 0);
    assert_int_equal(l.root->events[OV_EVENT_LINK_CLOSE], 3);
    wu_free(l.w);
}

/* A stream that closes is that of one peer, and none of the others is gone through. */
static void test_whose_stream(void **state)
{
    struct linked l = link_up(13);
    struct wu_node *m = wu_node(l.w, 0);

    (void)state;
    add(m, l.root);
    wu_run(l.w, 2 * OV_SEC);
    struct wu_stream *s = wu_stream(m, l.root);
    up(m, "root", s);
    wu_run(l.w, 2 * OV_SEC);
    down(l.s);
    assert_false(knows(l.root, l.n, l.s));
    assert_true(by_stream(l.root, m, &s->ep[1]));
    assert_int_equal(l.root->e->served.len, 1);
    /* Another one proves itself by the stream of m: a stream is never two nodes'. */
    ov_peer_path_proven(wu_peer(l.root, l.n),
                        ov_paths_add(wu_peer(l.root, l.n)->paths, OV_SOCKET_LINK, &s->ep[1],
                                     OV_CANDIDATE_SEEN, l.w->now),
                        0);
    wu_drain(l.root);
    assert_false(knows(l.root, m, s));
    assert_int_equal(l.root->e->served.len, 1);
    down(s);
    assert_false(knows(l.root, l.n, s));
    assert_int_equal(l.root->e->served.len, 0);
    wu_free(l.w);
}

/* The edge's queue is full just when a stream is proven: it is told a moment later, and once. */
static void test_proven_untold(void **state)
{
    struct linked l = link_up(21);
    struct wu_stream *s = wu_stream(l.n, l.root);
    struct ov_outq *q = &l.root->e->out;
    size_t max = q->max, kept = q->kept;

    (void)state;
    q->max = q->kept = 0;
    struct ov_paths *ps = wu_peer(l.root, l.n)->paths;
    ov_peer_path_proven(
        wu_peer(l.root, l.n),
        ov_paths_add(ps, OV_SOCKET_LINK, &s->ep[1], OV_CANDIDATE_SEEN, l.root->e->now), OV_MS);
    q->max = max;
    q->kept = kept;
    wu_drain(l.root);
    assert_int_equal(l.root->e->served.len, 2);
    assert_int_equal(l.root->events[OV_EVENT_LINK_PROVEN], 1);
    up(l.n, "root", s);
    wu_run(l.w, 2 * OV_SEC);
    assert_int_equal(l.root->events[OV_EVENT_LINK_PROVEN], 2);
    assert_int_equal(l.root->last[OV_EVENT_LINK_PROVEN].id, s->ep[1].scope);
    wu_run(l.w, 100 * OV_SEC);
    assert_int_equal(l.root->events[OV_EVENT_LINK_PROVEN], 2);
    wu_free(l.w);
}

static bool to_root_only(void *arg, struct wu_packet *p)
{
    const struct wu *w = arg;
    return p->stream && p->src != w->node[0];
}

/* What is sent by a stream proves nothing before something of ours was answered by it: it may be
 * copied from elsewhere. Streams of a peer that is forgotten are closed. */
static void test_unproven_stream(void **state)
{
    struct linked l = link_up(14);
    struct wu_stream *s = wu_stream(l.n, l.root);

    (void)state;
    l.w->hook = to_root_only;
    l.w->hook_arg = l.w;
    up(l.n, "root", s);
    wu_run(l.w, OV_SEC);
    assert_true(knows(l.root, l.n, s)); /* it was heard there, and asked */
    assert_int_equal(l.root->events[OV_EVENT_LINK_PROVEN], 1);
    ov_peer_forget(wu_peer(l.root, l.n));
    wu_drain(l.root);
    assert_int_equal(l.root->events[OV_EVENT_LINK_CLOSE], 1);
    assert_int_equal(l.root->last[OV_EVENT_LINK_CLOSE].id, l.s->ep[1].scope);
    assert_int_equal(l.root->e->served.len, 0);
    wu_free(l.w);
}

static bool who_alone_by(void *arg, struct wu_packet *p)
{
    return p->stream &&
           (p->stream != arg || p->data[0] == OV_WIRE_WHO || p->data[0] == OV_WIRE_IAM);
}

/* A server of which a network told turns out to be one that the user named: it goes from the list,
 * and its stream is closed a moment later. The other one goes on. */
static void test_merged(void **state)
{
    struct linked l = apart(9);

    (void)state;
    assert_int_equal(ov_roots_add(&l.n->n->roots, "of network", 7, &l.root->id.pub, &l.root->ep, 1),
                     OV_OK);
    add(l.n, l.root);
    wu_run(l.w, 2 * OV_SEC);
    struct wu_stream *a = wu_stream(l.n, l.root), *b = wu_stream(l.n, l.root);
    l.w->hook = who_alone_by;
    l.w->hook_arg = b;
    up(l.n, "of network", a);
    up(l.n, "root", b);
    wu_run(l.w, 500 * OV_MS);
    assert_string_equal(info(l.n, 0)->host, "root");
    assert_false(
        by_stream(l.n, l.root, &a->ep[0])); /* what was on its way there does not prove it */
    l.w->hook = udp_blocked;
    down(a);
    wu_run(l.w, OV_SEC);
    assert_true(by_stream(l.n, l.root, &b->ep[0]));
    assert_true(by_stream(l.root, l.n, &b->ep[1]));
    assert_true(info(l.n, 0)->online);
    wu_free(l.w);
}

/* No datagram of ours is larger than a stream takes, and its MTU is not searched for. */
static void test_mtu(void **state)
{
    struct linked l = link_up(8);
    struct ov_path *p;

    (void)state;
    p = (struct ov_path *)way(l.n, l.root);
    assert_int_equal(p->q.mtu, OV_LINK_MTU);
    assert_int_equal(ov_quality_mtu_probe(&p->q, 4, l.w->now + OV_SEC), 0);
    for (int i = 0; i < 5; i++)
        ov_quality_mtu_missed(&p->q, l.w->now);
    assert_int_equal(p->q.mtu, OV_LINK_MTU);
    assert_int_equal(ov_quality_mtu_probe(&p->q, 4, l.w->now + OV_SEC), 0);
    assert_true(ov_path_score(p) >= 40 * OV_MS);
    wu_free(l.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_contact),
        cmocka_unit_test(test_unknown_host),
        cmocka_unit_test(test_relay_and_back),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_breaks),
        cmocka_unit_test(test_one_root_is_enough),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_mtu),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_one_name_goes),
        cmocka_unit_test(test_streams_of_one_node),
        cmocka_unit_test(test_whose_stream),
        cmocka_unit_test(test_proven_untold),
        cmocka_unit_test(test_unproven_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
