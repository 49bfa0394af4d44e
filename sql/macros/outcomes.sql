{# What a history came to, by its last event: defined once, for runs and for buckets. `final_status` is the final status of
   the bucket's source; for a run, that of all its sources, where it is one. #}
{% macro outcome_of_history(final_status) -%}
    case
            -- no event, nothing to judge
            when last_event_at is null then null
            -- the last word is an error
            when last_attempt_outcome = 'error' then 'failed'
            -- the last word is one of those that the setting believes at once
            when {{ is_terminal_success('last_status') }} then 'succeeded'
            -- it ended where the histories of its source end
            when last_attempt_outcome = 'complete' and last_status = {{ final_status }} then 'succeeded'
            -- a stage is done: whether it was the last, silence will tell; a queue that is done is a beginning, not an end
            when last_attempt_outcome = 'complete' and last_status <> 'started' and not is_settled then 'in_progress'
            -- silence has told, and the others of its source went further: it stopped half-way
            when last_attempt_outcome = 'complete' and last_status <> 'started' and {{ final_status }} is not null
                then 'stalled'
            -- silence has told, and nothing is known about where this source ends
            when last_attempt_outcome = 'complete' and last_status <> 'started' then 'succeeded'
            -- still queued, at work, or at a status that nobody knows, and silent for too long
            when is_settled then 'stalled'
            else 'in_progress'
        end
{%- endmacro %}


{# Whether a history that ends with an event at this time has been silent for long enough, as of the fetch. #}
{% macro is_settled(last_event_at, fetched_at) -%}
    {{ microseconds_between(last_event_at, fetched_at) }} >= {{ var('settle_hours') }} * 3600000000
{%- endmacro %}


{% macro is_terminal_success(status) -%}
    {%- set terminal = var('terminal_success_statuses') -%}
    {%- if terminal -%}
        {{ status }} in (
            {%- for word in terminal -%}
                {{ dbt.string_literal(dbt.escape_single_quotes(word)) }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        )
    {%- else -%}
        1 = 0
    {%- endif -%}
{%- endmacro %}


{# Of two values the later or the earlier one, either of which may be missing. #}
{% macro later_of(one, other) -%}
    case when {{ one }} > {{ other }} then {{ one }} else coalesce({{ other }}, {{ one }}) end
{%- endmacro %}

{% macro earlier_of(one, other) -%}
    case when {{ one }} < {{ other }} then {{ one }} else coalesce({{ other }}, {{ one }}) end
{%- endmacro %}
