/* A PAM module for the tests: asks one more question, as one for one-time codes does, and writes down what it hears.
   Its arguments: the file to write to, and the question. The right answer is 123456. Declared by hand: no headers of
   PAM's are needed to build it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message { int style; const char *text; };
struct response { char *text; int unused; };
struct conversation {
    int (*hold)(int, const struct message **, struct response **, void *);
    void *data;
};
enum { SUCCESS = 0, AUTH_ERR = 7, CONV_ITEM = 5, ECHO_OFF = 1 };

int pam_get_item(const void *, int, const void **);

int pam_sm_authenticate(void *handle, int flags, int count, const char **words)
{
    const void *item = NULL;
    struct message message = { ECHO_OFF, words[1] };
    const struct message *messages = &message;
    struct response *response = NULL;
    FILE *heard;
    int right;

    (void)flags;
    if (count < 2 || pam_get_item(handle, CONV_ITEM, &item) != SUCCESS || !item)
        return AUTH_ERR;
    const struct conversation *conversation = item;
    if (conversation->hold(1, &messages, &response, conversation->data) != SUCCESS || !response || !response->text)
        return AUTH_ERR;
    heard = fopen(words[0], "a");
    if (heard) {
        fprintf(heard, "%s\n", response->text);
        fclose(heard);
    }
    right = strcmp(response->text, "123456") == 0;
    free(response->text);
    free(response);
    return right ? SUCCESS : AUTH_ERR;
}

int pam_sm_setcred(void *handle, int flags, int count, const char **words)
{
    (void)handle, (void)flags, (void)count, (void)words;
    return SUCCESS;
}
