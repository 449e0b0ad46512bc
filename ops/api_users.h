/*
 * api_users.h -- what comes back from a worker for /api/v5/authentication/{id}/users (api_users.c).
 *
 * Threads: the ops thread.
 */
#ifndef SLUICE_API_USERS_H
#define SLUICE_API_USERS_H

struct broker;
struct mail;

/* MAIL_PASSWORD_MADE. */
void api_users_on_mail(struct broker *broker, const struct mail *mail);

#endif
