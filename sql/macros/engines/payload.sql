{# Fields of a payload that the contract (the OpenAPI document) does not name, at each of its five levels. #}

{% macro payload_levels() -%}
    {{ return([
        {'path': [], 'known': [
            'runID', 'latestStatus', 'lastUpdatedAt', 'createdAt', 'trigger', 'sources', 'dateStamps', 'runHistory',
            'granularHistory',
        ]},
        {'path': ['runHistory'], 'known': ['statusTimestamp', 'status']},
        {'path': ['granularHistory'], 'known': ['source', 'latestSourceStatus', 'statusByDate']},
        {'path': ['granularHistory', 'statusByDate'], 'known': ['dateStamp', 'statuses']},
        {'path': ['granularHistory', 'statusByDate', 'statuses'], 'known': ['statusTimestamp', 'status']},
    ]) }}
{%- endmacro %}


{# Rows of (run_id, path), distinct, for a relation of (run_id, payload); a path reads like `runHistory[].comment`. #}
{% macro unknown_payload_fields(payloads) -%}
    {{ return(adapter.dispatch('unknown_payload_fields', 'statsig_runs')(payloads)) }}
{%- endmacro %}


{# An engine without a way into JSON reports nothing. #}
{% macro default__unknown_payload_fields(payloads) -%}
    select
        run_id,
        cast(null as {{ dbt.type_string() }}) as path
    from {{ payloads }}
    where 1 = 0
{%- endmacro %}


{# Thousands of payloads share a handful of shapes: each payload is read once, and only the shapes are taken apart. #}
{% macro duckdb__unknown_payload_fields(payloads) -%}
    with shapes as materialized (
        select
            run_id,
            try(json_structure(payload)) as shape
        from {{ payloads }}
    ),

    fields as (
        {%- for level in payload_levels() %}
        select
            shape,
            '{% for name in level.path %}{{ name }}[].{% endfor %}' || field as path
        from (
            select
                shape,
                unnest(json_keys(shape, '${% for name in level.path %}.{{ name }}[0]{% endfor %}')) as field
            from (select distinct shape from shapes) as distinct_shapes
        ) as named_{{ loop.index }}
        where field not in ('{{ level.known | join("', '") }}')
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    )

    select
        shapes.run_id,
        fields.path
    from shapes
    inner join fields on shapes.shape = fields.shape
{%- endmacro %}


{# Not `jsonb`, and without U+0000: PostgreSQL keeps no text with that character, and fails over a field that nobody
   reads. #}
{% macro postgres__unknown_payload_fields(payloads) -%}
    {%- set payload = "cast(replace(payloads.payload, '\\u0000', '\\ufffd') as json)" %}
    {%- for level in payload_levels() %}
    select distinct
        payloads.run_id,
        '{% for name in level.path %}{{ name }}[].{% endfor %}' || fields.name as path
    from {{ payloads }} as payloads
    {%- for name in level.path %}
    cross join lateral json_array_elements(
        {{ payload if loop.first else 'level_' ~ (loop.index - 1) ~ '.item' }} -> '{{ name }}'
    ) as level_{{ loop.index }} (item)
    {%- endfor %}
    cross join lateral json_object_keys(
        {{ 'level_' ~ (level.path | length) ~ '.item' if level.path else payload }}
    ) as fields (name)
    where fields.name not in ('{{ level.known | join("', '") }}')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{# To dbt, Redshift is a kind of PostgreSQL; it has not its functions for JSON. #}
{% macro redshift__unknown_payload_fields(payloads) -%}
    {{ return(statsig_runs.default__unknown_payload_fields(payloads)) }}
{%- endmacro %}


{% macro spark__unknown_payload_fields(payloads) -%}
    {%- for level in payload_levels() %}
    select distinct
        run_id,
        concat('{% for name in level.path %}{{ name }}[].{% endfor %}', field) as path
    from (
        select
            {{ 'level_' ~ (level.path | length) ~ '.run_id' if level.path else 'payloads.run_id' }} as run_id,
            explode(map_keys(
                {{ 'level_' ~ (level.path | length) ~ '.item' if level.path
                    else "from_json(payloads.payload, 'map<string,string>')" }}
            )) as field
        from
        {%- for name in level.path | reverse %}
            (select
                {{ 'level_' ~ (level.path | length - loop.index) ~ '.run_id' if not loop.last else 'payloads.run_id' }},
                explode(from_json(
                    {{ 'level_' ~ (level.path | length - loop.index) ~ '.item' if not loop.last
                        else "from_json(payloads.payload, 'map<string,string>')" }}['{{ name }}'],
                    'array<map<string,string>>'
                )) as item
            from
        {%- endfor %}
        {{ payloads }} as payloads
        {%- for name in level.path %}
            ) as level_{{ loop.index }}
        {%- endfor %}
    ) as named
    where field not in ('{{ level.known | join("', '") }}')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro snowflake__unknown_payload_fields(payloads) -%}
    {%- for level in payload_levels() %}
    select distinct
        payloads.run_id,
        '{% for name in level.path %}{{ name }}[].{% endfor %}' || fields.value as path
    from {{ payloads }} as payloads
    {%- for name in level.path %},
    lateral flatten(
        input => {{ 'try_parse_json(payloads.payload)' if loop.first else 'level_' ~ (loop.index - 1) ~ '.value' }}:{{ name }}
    ) as level_{{ loop.index }}
    {%- endfor %},
    lateral flatten(input => object_keys(
        {{ 'level_' ~ (level.path | length) ~ '.value' if level.path else 'try_parse_json(payloads.payload)' }}
    )) as fields
    where fields.value not in ('{{ level.known | join("', '") }}')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{% macro bigquery__unknown_payload_fields(payloads) -%}
    {%- for level in payload_levels() %}
    select distinct
        payloads.run_id,
        concat('{% for name in level.path %}{{ name }}[].{% endfor %}', field) as path
    from {{ payloads }} as payloads
    {%- for name in level.path %}
    cross join unnest(json_query_array(
        {{ 'safe.parse_json(payloads.payload)' if loop.first else 'level_' ~ (loop.index - 1) }}, '$.{{ name }}'
    )) as level_{{ loop.index }}
    {%- endfor %}
    cross join unnest(json_keys(
        {{ 'level_' ~ (level.path | length) if level.path else 'safe.parse_json(payloads.payload)' }}, 1
    )) as field
    where field not in ('{{ level.known | join("', '") }}')
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
