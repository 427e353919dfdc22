// SPDX-License-Identifier: MIT
// named_channels.c: whether there are the channels that a job is to name in `alert_channels`.
//
// Whoever mistypes a name would hear of nothing. So the names in the body of a change are looked up
// first, by the thread that has the registry; then the request goes on. What becomes of a name
// later, and names in an import or a bulk, are not looked at: the channel may come behind the job.

#include "api/registry_priv.h"
#include "store/channels.h"

#include <string.h>

struct look {
    struct errand errand;
    json_t *names; // The body's, in the order of which those that are found go.
};

static const json_t *names_of(const struct api_request *r)
{
    const json_t *names = json_object_get(r->body, "alert_channels");
    return json_is_array(names) && json_array_size(names) > 0 ? names : NULL;
}

bool request_names_channels(const struct api_request *r)
{
    bool is_of_jobs = strncmp(r->route->pattern, "/jobs", 5) == 0;
    return is_of_jobs && !r->knows_channels && names_of(r);
}

static enum err see(void *names, const struct channel *c)
{
    size_t i = json_array_size(names);
    while (i-- > 0)
        if (strcmp(json_string_value(json_array_get(names, i)), c->name) == 0)
            json_array_remove(names, i);
    return ERR_OK;
}

static enum err check(struct errand *errand, struct store_registry *registry, struct problem *p,
                      struct fault *f)
{
    struct look *l = (struct look *)errand;
    enum err err = store_channel_list(registry, see, l->names, f);
    const char *missing = json_string_value(json_array_get(l->names, 0));
    if (!err && missing)
        err = refuse_field(p, ERR_NOT_FOUND, "alert_channels",
                           "alert_channels: there is no channel '%.100s'", missing);
    if (err)
        return err;
    errand->request->knows_channels = true;
    return request_run(errand->request, p);
}

static void look_free(struct errand *errand)
{
    json_decref(((struct look *)errand)->names);
    free(errand);
}

// Other forms than strings are refused later, with all else that is wrong with the job.
enum err request_check_channels(struct api_request *r, struct problem *p)
{
    const json_t *name;
    size_t i;
    struct look *l = xcalloc(1, sizeof *l);
    l->errand = (struct errand){.request = r, .act = check, .free = look_free, .what = "channels"};
    l->names = json_array();
    json_array_foreach(names_of(r), i, name)
        if (json_is_string(name))
            json_array_append(l->names, (json_t *)(uintptr_t)name);
    return errand_hand_on(&l->errand, p);
}
